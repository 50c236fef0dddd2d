"""Files as they are on this machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PUNCH_HOLE = 0x03  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE


def tail(path: Path, most: int) -> str:
    """The last bytes of a file as text; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - most, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def is_written_to(path: Path) -> bool:
    """Whether any process has the file open for writing, where the kernel can tell."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A read lease is given only where there is no writer. Who opens the file meanwhile is told
        # of to us by a signal, which must not be SIGIO, as that would end us.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False


def forget_start(path: Path, kept: int) -> None:
    """Give back the disk space of all but the last bytes, where the file system can.

    Others may append meanwhile: nothing moves, what is forgotten reads as zeros.
    """
    import ctypes

    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            length = ctypes.c_int64(max(os.fstat(fd).st_size - kept, 0))
            if length.value:
                ctypes.CDLL(None).fallocate(fd, _PUNCH_HOLE, ctypes.c_int64(0), length)
        finally:
            os.close(fd)


def write_once(file: Path, text: str) -> None:
    """Write a file that is always the same; one that is there, a link too, is left alone."""
    with contextlib.suppress(FileExistsError), file.open("x", encoding="utf-8") as new:
        new.write(text)


def write(text: str, file: Path) -> None:
    """The file is there whole, or not at all."""
    write_bytes(text.encode(), file)


def write_bytes(raw: bytes, file: Path) -> None:
    """The same; of several that write it at once, the last one's is there."""
    part = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_bytes(raw)
    part.replace(file)
