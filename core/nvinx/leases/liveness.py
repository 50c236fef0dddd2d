"""Signs of life of a token (a lease or an engine), so that nothing alive ever loses its lease.

Four signs, any of which is enough:
- a shared `flock` on the token's file: the starter holds one, and the job's shell inherits one on
  a descriptor, so it survives the death of the starter and of the shell's parent;
- the marker NVINX_JOB in a process's environment, or the token in its command line, which covers
  children that closed the descriptor, and the moment before the shell has opened it;
- that nobody can see them from here, as they are in another container (PID namespace);
- NVML's list of processes, which the broker checks: it also finds those that cleared both.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from nvinx.errors import StateDirError
from nvinx.host import locks, proc, statedir
from nvinx.host.plain_files import make_plain, open_plain
from nvinx.leases.tokens import is_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

MARKER = "NVINX_JOB"  # "A+B" for a job B of an engine that shares out the lease A
_LOOKS = 50  # enough for any but a machine that does nothing but start processes
_IS_TOKEN = re.compile(r"[^/\x00-\x1f\x7f\ud800-\udfff]{1,200}")  # what a file may be named
_TOKEN = re.compile(rb"(?:^|\0)%b=([^\0]+)" % MARKER.encode())


class ProcessLiveness:
    """Signs of life through files under `folder` and through /proc. Not for network folders."""

    def __init__(self, folder: Path, within: str = "") -> None:
        """within: the token of the lease that is shared out here; "" where it is the machine."""
        self._folder = folder
        self._depth = within.count("+") + bool(within)
        self._held: dict[str, int] = {}
        self._notified: dict[str, int] = {}
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            statedir.subfolder(folder, shared=statedir.is_shared(folder.parent))
            self._mode = statedir.file_mode(folder)
        except OSError as error:
            problem, fix = f"cannot be made ({error.strerror})", "check its rights and free space"
            raise StateDirError(str(folder), problem, fix) from error

    def file(self, token: str) -> Path:
        """The file whose shared lock means that the token lives."""
        return self._folder / f"{token}.lock"

    def announce(self, token: str) -> None:
        while token not in self._held:
            fd = self._opened(token)
            fcntl.flock(fd, fcntl.LOCK_SH)
            if self._is_in_place(fd, token):
                self._held[token] = fd
                self._notified[token] = os.fstat(fd).st_mtime_ns
            else:
                os.close(fd)

    def retire(self, token: str) -> None:
        fd = self._held.pop(token, None)
        if fd is not None:
            os.close(fd)
            self._tidy(token)

    def notify(self, token: str) -> None:
        with suppress(OSError):  # it has gone, or it looks by itself before long
            os.utime(self._existing(token), follow_symlinks=False)

    def was_notified(self, token: str) -> bool:
        fd = self._held.get(token)
        if fd is None:
            return False
        before, self._notified[token] = self._notified[token], os.fstat(fd).st_mtime_ns
        return self._notified[token] != before

    def outlived(self, token: str) -> bool:
        fd = self._held.get(token)
        return fd is None or not _is_only_holder(fd) or bool(pids_of({token}))

    def alive(self, tokens: Collection[str]) -> set[str]:
        locked = {token for token in tokens if self._is_locked(token)}
        silent = {token for token in set(tokens) - locked if _IS_TOKEN.fullmatch(token)}
        unseen = {token for token in silent if not is_seen(token)}
        silent -= unseen
        return locked | unseen | (set(pids_of(silent).values()) if silent else set())

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        found = ((pid, _owner(pid)) for pid in pids)
        return {pid: self._ours(token) for pid, token in found if token is not None}

    def started(self, pid: int) -> int | None:
        return proc.started(pid)

    def sweep(self, older_than_s: float = 0.0) -> None:
        """Remove the files of tokens that show no life: what killed processes left behind."""
        tokens = set(self._tokens(time.time() - older_than_s))
        for token in tokens - self.alive(tokens):
            self._tidy(token, unless=partial(pids_of, {token}))

    def _ours(self, token: str) -> str:
        """The token of this ledger that one belongs to, of a lease that may share it out."""
        return "+".join(token.split("+")[: self._depth + 1])

    def _opened(self, token: str) -> int:
        """Its file, made where it is not there. Raises StateDirError where it is not ours to use.

        The rights of one that is there are left as they are: it may have a second name elsewhere.
        """
        file = self.file(token)
        try:
            with suppress(FileExistsError):
                return make_plain(file, self._mode)
            return open_plain(file, os.O_RDWR)
        except OSError as error:
            problem = f"its file {file.name} cannot be used ({error.strerror})"
            fix = "if somebody else made it, remove it; else check the rights and free space there"
            raise StateDirError(str(self._folder), problem, fix) from error

    def _existing(self, token: str) -> Path:
        """Its file, for a token that somebody else named. Raises FileNotFoundError."""
        if not _IS_TOKEN.fullmatch(token):
            raise FileNotFoundError(token)
        return self.file(token)

    def _tokens(self, until: float) -> Iterator[str]:
        """Those with a file, written at that time or before, in seconds since 1970."""
        for path in self._folder.glob("*.lock"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime <= until:
                    yield path.name.removesuffix(".lock")

    def _is_in_place(self, fd: int, token: str) -> bool:
        """Whether the locked file is still the one that others look at: a sweep may race us."""
        try:
            return os.path.samestat(os.fstat(fd), self.file(token).lstat())
        except FileNotFoundError:
            return False

    def _is_locked(self, token: str) -> bool:
        with suppress(OSError):
            return locks.is_held(self._existing(token))
        return False

    def _tidy(self, token: str, unless: Callable[[], object] = lambda: None) -> None:
        """Remove the file unless somebody else still locks it; an `announce` under way notices.

        Who carries only the marker needs no file. unless: is asked once nobody can lock it.
        """
        try:
            fd = open_plain(self._existing(token))
        except OSError:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not unless():
                self.file(token).unlink(missing_ok=True)
        except OSError:
            return  # it is locked, or not ours to remove
        finally:
            os.close(fd)


def _is_only_holder(fd: int) -> bool:
    """Whether nobody else shares the lock; it is held as before afterwards."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        fcntl.flock(fd, fcntl.LOCK_SH)
    return True


def pids_of(tokens: Collection[str]) -> dict[int, str]:
    """The processes that carry one of the tokens in their environment or command line.

    A job's last process may hand over to a child that was born after the list was made, and one
    that becomes another program shows nothing for a moment. So where a token was not found, look
    again at what is new, and at what showed nothing, until there is no such process. This very
    process is none of them: what it holds it shows by locks, and a marker left over from another
    job would make it wait for itself.
    """
    wanted = {token.encode(): token for token in tokens}
    found: dict[int, str] = {}
    looked_at = {os.getpid()}
    for look in range(_LOOKS):
        new = set(proc.pids()) - looked_at
        if not new:
            break
        for pid in new:
            token = _token_of(pid, wanted)
            if token is not None:
                found[pid] = token
            if token is not None or not _may_be_between_programs(pid, look):
                looked_at.add(pid)
        if len(set(found.values())) == len(wanted):
            break
    return found


def _token_of(pid: int, wanted: dict[bytes, str]) -> str | None:
    marker = _marker(pid)
    while marker:
        if marker in wanted:
            return wanted[marker]
        marker = marker.rpartition(b"+")[0]
    command = proc.command_line(pid)
    return next((token for raw, token in wanted.items() if b"/" + raw + b"/" in command), None)


def _may_be_between_programs(pid: int, look: int) -> bool:
    """Whether it has memory but no command line yet, or started its program just now."""
    if proc.command_line(pid):
        return look == 0  # it may have got that since its marker was looked for
    return proc.has_memory(pid)


def _owner(pid: int) -> str | None:
    """The token that this process or one of its ancestors carries."""
    while pid > 1:
        marker = _marker(pid)
        if marker is not None:
            return marker.decode(errors="replace")
        pid = proc.parent(pid) or 0
    return None


def _marker(pid: int) -> bytes | None:
    match = _TOKEN.search(proc.environment(pid))
    return match.group(1) if match else None
