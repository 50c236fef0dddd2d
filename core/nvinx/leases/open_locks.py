"""Signs of life that processes hold open, wherever their files are: in place, moved, deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.host import proc
from nvinx.leases import tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SUFFIX = ".lock"
_DELETED = " (deleted)"


class OpenLock(Struct, frozen=True):
    """A file that somebody has locked. folder: where it lies, or lay before it was deleted."""

    pid: int
    fd: int
    token: str
    folder: str
    is_deleted: bool

    @property
    def path(self) -> Path:
        """Of the file itself, also of one that has no other name any more."""
        return Path(f"/proc/{self.pid}/fd/{self.fd}")


def find(wanted: Collection[str] | None = None) -> Iterator[OpenLock]:
    """Of these tokens, or of all leases; as far as this user may look.

    Locks of other programs are not touched.
    """
    for pid in proc.pids():
        for lock in _of(pid):
            is_wanted = tokens.is_lease(lock.token) if wanted is None else lock.token in wanted
            if is_wanted and proc.is_locked(pid, lock.fd):
                yield lock


def has_open(pid: int, token: str) -> bool:
    """Whether the process has the token's file open, locked or not."""
    return any(lock.token == token for lock in _of(pid))


def _of(pid: int) -> Iterator[OpenLock]:
    for fd, target in proc.open_files(pid):
        file = target.removesuffix(_DELETED)
        folder, _, name = file.rpartition("/")
        if name.endswith(SUFFIX):
            yield OpenLock(pid, fd, name.removesuffix(SUFFIX), folder, file != target)
