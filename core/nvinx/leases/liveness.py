"""Signs of life of a token (a lease or an engine), so that nothing alive ever loses its lease.

Three signs, any of which is enough:
- a shared `flock` on the token's file: the starter holds one, and the job's shell inherits one on
  a descriptor, so it survives the death of the starter and of the shell's parent;
- the marker NVINX_JOB in a process's environment, or the token in its command line, which covers
  children that closed the descriptor, and the moment before the shell has opened it;
- NVML's list of processes, which the broker checks: it also finds those that cleared both.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from nvinx.errors import StateDirError
from nvinx.host import locks, proc, statedir

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MARKER = "NVINX_JOB"
_LOOKS = 50  # enough for any but a machine that does nothing but start processes
_AT_ONCE = 200  # files that a sweep keeps open
_TOKEN = re.compile(rb"(?:^|\0)%b=([^\0]+)" % MARKER.encode())


class ProcessLiveness:
    """Signs of life through files under `folder` and through /proc. Not for network folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            fd = os.open(self.file(token), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
            if self._mode & 0o060:
                os.fchmod(fd, self._mode)  # whatever the umask
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
            os.utime(self.file(token))

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
        silent = set(tokens) - locked
        return locked | (set(pids_of(silent).values()) if silent else set())

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        found = ((pid, _owner(pid)) for pid in pids)
        return {pid: token for pid, token in found if token is not None}

    def started(self, pid: int) -> int | None:
        return proc.started(pid)

    def sweep(self, older_than_s: float = 0.0) -> None:
        """Remove the files of tokens that show no life: what killed processes left behind."""
        tokens = set(self._tokens(time.time() - older_than_s))
        dead = sorted(tokens - self.alive(tokens))
        for first in range(0, len(dead), _AT_ONCE):
            self._remove(dead[first : first + _AT_ONCE])

    def _remove(self, tokens: Collection[str]) -> None:
        """Remove files, but of those whom a process carries; asked while nobody can lock them.

        Who carries only the marker needs no file.
        """
        with ExitStack() as stack:
            free = {token for token in tokens if stack.enter_context(self._kept_free(token))}
            for token in free - set(pids_of(free).values()):
                self.file(token).unlink(missing_ok=True)

    def _tokens(self, until: float) -> Iterator[str]:
        """Those with a file, written at that time or before, in seconds since 1970."""
        for path in self._folder.glob("*.lock"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime <= until:
                    yield path.name.removesuffix(".lock")

    def _is_in_place(self, fd: int, token: str) -> bool:
        """Whether the locked file is still the one that others look at: a sweep may race us."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.file(token)))
        except FileNotFoundError:
            return False

    def _is_locked(self, token: str) -> bool:
        with suppress(FileNotFoundError):
            return locks.is_held(self.file(token))
        return False

    def _tidy(self, token: str) -> None:
        """Remove the file unless somebody else still locks it; an `announce` under way notices."""
        with self._kept_free(token) as free:
            if free:
                self.file(token).unlink(missing_ok=True)

    @contextmanager
    def _kept_free(self, token: str) -> Iterator[bool]:
        """Whether nobody locks the file; then nobody can before the end."""
        try:
            fd = os.open(self.file(token), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            yield _locks_alone(fd)
        finally:
            os.close(fd)


def _locks_alone(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_only_holder(fd: int) -> bool:
    """Whether nobody else shares the lock; it is held as before afterwards."""
    try:
        return _locks_alone(fd)
    finally:
        fcntl.flock(fd, fcntl.LOCK_SH)


def pids_of(tokens: Collection[str]) -> dict[int, str]:
    """The processes that carry one of the tokens in their environment or command line.

    A job's last process may hand over to a child that was born after the list was made, and one
    that becomes another program shows nothing for a moment. So where a token was not found, look
    again at what is new, and at what showed nothing, until there is no such process.
    """
    wanted = {token.encode(): token for token in tokens}
    found: dict[int, str] = {}
    looked_at: set[int] = set()
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
    if marker in wanted:
        return wanted[marker]
    command = proc.command_line(pid)
    folders = command.split(b"/")[1:-1]
    return next((wanted[folder] for folder in folders if folder in wanted), None)


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
