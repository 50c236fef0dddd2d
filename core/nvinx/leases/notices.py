"""Notices between engines: a pipe with a name for each, so that waiting for one costs nothing.

A notice says "look at the ledger again", no more; whoever forges one costs others a look.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOST_AT_ONCE = 4096  # bytes, which are as many notices


def listen(pipe: Path, mode: int) -> int | None:
    """Make the pipe and open it for what others send; None where the folder can hold no pipe."""
    with suppress(OSError):
        os.mkfifo(pipe, mode)
        fd = _opened(pipe, os.O_RDWR)  # so that it has a writer, and never ends
        os.fchmod(fd, mode)  # whatever the umask
        return fd
    return None


def send(pipe: Path) -> None:
    """Send a notice. One that cannot be sent is left out: whoever waits looks by himself."""
    with suppress(OSError):
        fd = _opened(pipe, os.O_WRONLY)
        try:
            os.write(fd, b".")
        finally:
            os.close(fd)


def wait(fd: int | None, timeout_s: float, wake: int | None = None) -> bool:
    """Wait for a notice at most so long; whether there was one. wake: a file that ends the wait."""
    files = [each for each in (fd, wake) if each is not None]
    ready, _, _ = select.select(files, [], [], timeout_s)
    if fd is None or fd not in ready:
        return False
    with suppress(BlockingIOError):
        return bool(os.read(fd, _MOST_AT_ONCE))
    return False


def _opened(pipe: Path, how: int) -> int:
    """Raises OSError where there is no pipe, or something else in its place."""
    fd = os.open(pipe, how | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a pipe", str(pipe))
    return fd
