"""A program that reads files into the page cache, and gives way to whoever else wants to work.

    python -P -m nvinx.staging.reader plain|nixl FLOOR_MIB [SIZE_BYTES PATH]...

It ends early when less than FLOOR_MIB of RAM are left, and when its stdin is closed, as
it is by the death of whoever started it. Its last line is one of JSON, as `ports.Warmed`.

Reading in pieces, since one posix_fadvise(WILLNEED) of a whole file ends at the read-ahead window.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING, TypeAlias

from nvinx.host import resources
from nvinx.staging.pieces import plain
from nvinx.staging.ports import File, Warmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Pieces: TypeAlias = Callable[[int, int], Iterator[memoryview]]

_LOWEST = 19


def read_all(files: Iterable[File], pieces: Pieces, wanted: Callable[[], bool]) -> Warmed:
    """Read for as long as it is wanted; a file that cannot be read is a problem, not an error."""
    begin, size_bytes, problem = time.monotonic(), 0, None
    for file in files:
        try:
            for piece in _read(file, pieces):
                size_bytes += len(piece)
                if not wanted():
                    return Warmed(size_bytes, time.monotonic() - begin, problem)
        except OSError as error:
            problem = f"{file.path}: {error.strerror or error}"
    return Warmed(size_bytes, time.monotonic() - begin, problem)


def _read(file: File, pieces: Pieces) -> Iterator[memoryview]:
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is no longer a regular file")
        yield from pieces(fd, file.size_bytes)
    finally:
        os.close(fd)


def give_way() -> None:
    """Take the CPU and the disk when nobody else wants them, where the kernel lets us say so."""
    import psutil

    with contextlib.suppress(OSError, psutil.Error):
        os.nice(_LOWEST)
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


def is_wanted(floor_mib: int) -> bool:
    """Whether whoever started us still is there, and enough memory."""
    closed = select.select([sys.stdin], [], [], 0)[0]
    return not closed and resources.ram_left_mib() >= floor_mib


def main(how: str, floor_mib: str, *words: str) -> None:
    give_way()
    if how == "nixl":
        from nvinx.staging.nixl import NixlPieces

        pieces: Pieces = NixlPieces()
    else:
        pieces = plain
    pairs = zip(words[::2], words[1::2], strict=True)
    files = [File(path, int(size_bytes)) for size_bytes, path in pairs]
    done = read_all(files, pieces, lambda: is_wanted(int(floor_mib)))
    said = json.dumps([done.size_bytes, done.took_s, done.problem])
    sys.stdout.write(f"\n{said}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
