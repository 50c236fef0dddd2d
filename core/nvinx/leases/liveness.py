"""Signs of life of a token (a lease or an engine), so that nothing alive ever loses its lease.

Four signs, any of which is enough:
- a shared `flock` on the token's file: the starter holds one, and the job's shell inherits one on
  a descriptor, so it survives the death of the starter and of the shell's parent; it counts also
  where somebody deleted the file or moved it away;
- the marker NVINX_JOB in a process's environment, or the token in its command line, which covers
  children that closed the descriptor, and the moment before the shell has opened it;
- that nobody can see them from here, as they are in another container (PID namespace);
- NVML's list of processes, which the broker checks: it also finds those that cleared both.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from nvinx.errors import StateDirError
from nvinx.host import locks, proc, statedir
from nvinx.host.plain_files import make_plain, open_plain
from nvinx.leases import notices, open_locks
from nvinx.leases.markers import Markers, is_token, owner
from nvinx.leases.tokens import is_seen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_AT_ONCE = 200  # files that a sweep keeps open


class ProcessLiveness:
    """Signs of life through files under `folder` and through /proc. Not for network folders."""

    def __init__(self, folder: Path, within: str = "") -> None:
        """within: the token of the lease that is shared out here; "" where it is the machine."""
        self.folder = folder
        self._depth = within.count("+") + bool(within)
        self._held: dict[str, int] = {}
        self._notices: dict[str, int | None] = {}
        self._markers = Markers()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            statedir.subfolder(folder, shared=statedir.is_shared(folder.parent))
            self._mode = statedir.file_mode(folder)
        except OSError as error:
            problem, fix = (
                f"cannot be made ({error.strerror})",
                "check its permissions and free space",
            )
            raise StateDirError(str(folder), problem, fix) from error

    def file(self, token: str) -> Path:
        """The file whose shared lock means that the token lives."""
        return self.folder / f"{token}.lock"

    def announce(self, token: str) -> None:
        while token not in self._held:
            fd = self._opened(token)
            fcntl.flock(fd, fcntl.LOCK_SH)
            if self._is_in_place(fd, token):
                self._held[token] = fd
            else:
                os.close(fd)

    def retire(self, token: str) -> None:
        notice = self._notices.pop(token, None)
        if notice is not None:
            os.close(notice)
        fd = self._held.pop(token, None)
        if fd is not None:
            os.close(fd)
            self._tidy(token)

    def listen(self, token: str) -> None:
        if token not in self._notices:
            self._notices[token] = notices.listen(self._pipe(token), self._mode)

    def notify(self, token: str) -> None:
        if is_token(token):
            notices.send(self._pipe(token))

    def await_notice(self, token: str, timeout_s: float, wake: int | None = None) -> bool:
        return notices.wait(self._notices.get(token), timeout_s, wake)

    def outlived(self, token: str) -> bool:
        fd = self._held.get(token)
        return fd is None or not _is_only_holder(fd) or bool(self._markers.pids({token}))

    def alive(self, tokens: Collection[str]) -> set[str]:
        locked = {token for token in tokens if self._is_locked(token)}
        silent = {token for token in set(tokens) - locked if is_token(token)}
        unseen = {token for token in silent if not is_seen(token)}
        silent -= unseen
        marked = set(self._markers.pids(silent).values()) if silent else set[str]()
        lost = {token for token in silent - marked if not os.path.lexists(self.file(token))}
        held = {lock.token for lock in open_locks.find(lost)} if lost else set[str]()
        return locked | unseen | marked | held

    def unproved(self, tokens: Collection[str]) -> set[str]:
        """Those that count as alive only since nobody could see from here that they died."""
        return {t for t in tokens if is_token(t) and not is_seen(t) and not self._is_locked(t)}

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        found = ((pid, owner(pid)) for pid in pids)
        return {pid: self._ours(token) for pid, token in found if token is not None}

    def started(self, pid: int) -> int | None:
        return proc.started(pid)

    def sweep(self, older_than_s: float = 0.0, most: int | None = None) -> None:
        """Remove the files of tokens that show no life: what killed processes left behind.

        most: how many to look for in the processes, and so to remove.
        """
        tokens = set(islice(filter(self._may_be_dead, self._tokens(older_than_s)), most))
        dead = sorted(tokens - self.alive(tokens))
        for first in range(0, len(dead), _AT_ONCE):
            self._remove(dead[first : first + _AT_ONCE])

    def _may_be_dead(self, token: str) -> bool:
        return is_token(token) and is_seen(token) and not self._is_locked(token)

    def _remove(self, tokens: Collection[str]) -> None:
        """Remove files, but of those whom a process carries; asked while nobody can lock them.

        Who carries only the marker needs no file.
        """
        with ExitStack() as stack:
            free = {token for token in tokens if stack.enter_context(self._kept_free(token))}
            for token in free - set(self._markers.pids(free).values()):
                self._unlink(token)

    def _unlink(self, token: str) -> None:
        with suppress(OSError):  # it may not be ours to remove
            self._pipe(token).unlink(missing_ok=True)
            self.folder.joinpath(f"{token}.peak").unlink(missing_ok=True)
            self.file(token).unlink(missing_ok=True)

    def _pipe(self, token: str) -> Path:
        return self.folder / f"{token}.notice"

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
            fix = (
                "if somebody else made it, remove it; else check the permissions and free "
                "space there"
            )
            raise StateDirError(str(self.folder), problem, fix) from error

    def _existing(self, token: str) -> Path:
        """Its file, for a token that somebody else named. Raises FileNotFoundError."""
        if not is_token(token):
            raise FileNotFoundError(token)
        return self.file(token)

    def _tokens(self, older_than_s: float) -> Iterator[str]:
        """Those with a file that old, or from the future: the clock was set back since."""
        now = time.time()
        for path in self.folder.glob("*.lock"):
            with suppress(FileNotFoundError):
                if not 0 <= now - path.stat().st_mtime < older_than_s:
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

    def _tidy(self, token: str) -> None:
        """Remove the file unless somebody else still locks it; an `announce` under way notices."""
        with self._kept_free(token) as free:
            if free:
                self._unlink(token)

    @contextmanager
    def _kept_free(self, token: str) -> Iterator[bool]:
        """Whether nobody locks the file; then nobody can before the end."""
        try:
            fd = open_plain(self._existing(token))
        except OSError:
            yield False
            return
        try:
            yield locks.lock_alone_soon(fd)
        finally:
            os.close(fd)


def _is_only_holder(fd: int) -> bool:
    """Whether nobody else shares the lock; it is held as before afterwards."""
    try:
        return locks.lock_alone_soon(fd)
    finally:
        fcntl.flock(fd, fcntl.LOCK_SH)
