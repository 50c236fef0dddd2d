"""Which processes carry a token: the marker in their environment, or the token in their command.

Both are given when a program starts and stay as they are, so a program is read once, and known
again by the addresses that the kernel drew for it at `execve`. Where these are hidden, or not drawn
by chance, the process is read each time. So no process that becomes another program, and none that
gets the pid of another, is taken for what it was.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.host import proc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MARKER = "NVINX_JOB"  # "A+B" for a job B of an engine that shares out the lease A
_LONGEST = 200
_LOOKS = 50  # enough for any but a machine that does nothing but start processes
_QUICK_LOOKS = 10  # a process that is longer inside `execve` waits for a core
_PAUSE_S = 0.001  # longer each time, 0.8 s in all
_BEFORE = b"\0%b=" % MARKER.encode()


def is_token(word: str) -> bool:
    """Whether this could be the name of a lease or an engine, and so of their files."""
    return 0 < len(word) <= _LONGEST and "/" not in word and word.isprintable()


def marker(pid: int) -> bytes | None:
    """The token in the process's environment."""
    _, _, rest = (b"\0" + proc.environment(pid)).partition(_BEFORE)
    return rest.partition(b"\0")[0] or None


def owner(pid: int) -> str | None:
    """The token that this process or one of its ancestors carries."""
    while pid > 1:
        found = marker(pid)
        if found is not None:
            return found.decode(errors="replace")
        pid = proc.parent(pid) or 0
    return None


class _Signs(Struct, frozen=True):
    """What one program shows; program: None where that may be another's, or not all of it."""

    program: proc.Program | None
    marker: bytes | None
    command: bytes

    @property
    def is_settled(self) -> bool:
        """Not when it is inside `execve`, where it has memory but no command line yet."""
        return self.program is not None and (bool(self.command) or not self.has_memory)

    @property
    def has_memory(self) -> bool:
        return self.program is None or self.program.has_memory

    def token(self, wanted: dict[bytes, str]) -> str | None:
        marker = self.marker
        while marker:
            if marker in wanted:
                return wanted[marker]
            marker = marker.rpartition(b"+")[0]
        folders = self.command.split(b"/")[1:-1]
        return next((wanted[folder] for folder in folders if folder in wanted), None)


class Markers:
    """Looks for tokens among all processes, and remembers the programs that it has read."""

    def __init__(self) -> None:
        self._known: dict[int, _Signs] = {}
        self._kernels: set[tuple[int, int]] = (
            set()
        )  # with the inode, which tells it from a later one

    def pids(self, tokens: Collection[str]) -> dict[int, str]:
        """The processes that carry one of the tokens, and which.

        Where one was not found, all are looked at a second time: if none is new and none became
        another program, then at the moment between the two nobody carried it, and only who carries
        a token hands it on. Those that are, are looked at until they are as before, with pauses
        where one is inside `execve`: it may have lost its core there. The kernel's
        own processes, and those that ended, never carry one again. This very process counts as
        none of them: what it holds it shows by locks, and a marker left over from another job would
        make it wait for itself.
        """
        wanted = {token.encode(): token for token in tokens}
        found: dict[int, str] = {}
        settled: dict[int, proc.Program] = {}
        done = {os.getpid()}
        for look in range(_LOOKS):
            news, is_one_inside = 0, False
            there = proc.entries()
            self._kernels &= there.items()
            done |= {pid for pid, _ in self._kernels}
            for pid, signs in self._read(there.keys() - done):
                token = signs.token(wanted)
                if token is not None:
                    found[pid] = token
                is_as_before = signs.is_settled and settled.get(pid) == signs.program
                if signs.program is not None and signs.is_settled:
                    settled[pid] = signs.program
                if is_as_before or (signs.is_settled and not signs.has_memory):
                    done.add(pid)
                if signs.program is not None and signs.program.is_kernels:
                    self._kernels.add((pid, there[pid]))
                news += not is_as_before
                is_one_inside |= not signs.is_settled
            if len(set(found.values())) == len(wanted) or not news:
                break
            _give_way(look, is_one_inside=is_one_inside)
        self._known = {pid: signs for pid, signs in self._known.items() if pid in settled}
        return found

    def _read(self, pids: Iterable[int]) -> Iterator[tuple[int, _Signs]]:
        for pid in pids:
            program = proc.program(pid)
            if program is None:
                continue
            known = self._known.get(pid)
            if known is None or known.program != program:
                known = self._signs(pid, program)
            yield pid, known

    def _signs(self, pid: int, program: proc.Program) -> _Signs:
        signs = _Signs(program, marker(pid), proc.command_line(pid))
        if proc.program(pid) != program or not proc.has_whole_environment(pid, program):
            return replace(signs, program=None)
        is_told = program.shows_addresses and proc.draws_addresses(pid)
        if signs.is_settled and (is_told or not program.has_memory):
            self._known[pid] = signs
        return signs


def _give_way(look: int, *, is_one_inside: bool) -> None:
    """Let those go on who are inside `execve`, after so many looks."""
    if is_one_inside and look >= _QUICK_LOOKS:
        time.sleep(_PAUSE_S * (look - _QUICK_LOOKS + 1))
