"""Files in folders that others may write to: opened only as what they should be."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A pipe that somebody put there must not make us wait, nor a terminal become ours.
_WARY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotPlainError(OSError):
    """A link, a folder, a pipe or a second name lies where a plain file should."""

    def __init__(self, file: Path) -> None:
        super().__init__(errno.EINVAL, "is not a regular file", str(file))


def open_plain(file: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a plain file, never of what a link points to. Raises OSError."""
    fd = os.open(file, flags | _WARY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise NotPlainError(file)


def make_plain(file: Path, mode: int) -> int:
    """A descriptor of a new file with just these rights, whatever the umask.

    Raises FileExistsError, for a link too, and OSError.
    """
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | _WARY, mode)
    os.fchmod(fd, mode)
    return fd


def demand_same(opened: str, file: Path) -> None:
    """Raise NotPlainError where a library went through a link that came after `demand_plain`.

    opened: the path of what it has open.
    """
    if opened != str(file.parent.resolve() / file.name):
        raise NotPlainError(file)


def demand_plain(file: Path) -> None:
    """Raise NotPlainError where the path is a link, or a second name of some other file.

    For files that only a library opens, which would follow a link.
    """
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise NotPlainError(file)
