"""A file read piece by piece."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Pieces: TypeAlias = Callable[[int, int], Iterator[memoryview]]


PIECE_BYTES = 4 << 20


def plain(fd: int, size_bytes: int) -> Iterator[memoryview]:
    """The first bytes of an open file, piece by piece, each valid until the next."""
    buffer, at = memoryview(bytearray(PIECE_BYTES)), 0
    while at < size_bytes:
        got = os.preadv(fd, [buffer[: size_bytes - at]], at)
        if not got:
            return
        at += got
        yield buffer[:got]
