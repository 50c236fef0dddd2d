"""What of a file is in the page cache, by mincore; and putting it out of there."""

import ctypes
import mmap
import os

from nvinx.calibration.bandwidth import drop_pages

LIBC = ctypes.CDLL(None, use_errno=True)


def resident_share(path):
    """How much of the file is in the page cache, 0..1; it is writable, or the kernel says all."""
    size = path.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    seen = (ctypes.c_ubyte * pages)()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        where = ctypes.c_void_p(ctypes.addressof(first))
        status = LIBC.mincore(where, ctypes.c_size_t(size), seen)
        del first
    assert status == 0, os.strerror(ctypes.get_errno())
    return sum(entries & 1 for entries in seen) / pages


def make(path, size_bytes):
    """A file with something in it, none of it in the page cache where its file system has one."""
    with path.open("wb") as file:
        for _ in range(0, size_bytes, 1 << 20):
            file.write(os.urandom(1 << 20))
        file.truncate(size_bytes)
    drop_pages(path)
    return path
