"""Files read by NIXL's POSIX plugin: the one file that knows NIXL.

For machines whose storage NIXL knows better than the kernel does. No agent listens anywhere: it is
made without UCX, and UCX is held to the loopback device should a plugin ask for it.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import time
from typing import TYPE_CHECKING, Any

from nvinx.staging.pieces import PIECE_BYTES
from nvinx.staging.process import NIXL

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "nvinx"
_POLL_S = 0.0005


class NixlPieces:
    """Same as `reader.plain`; making it raises ImportError where NIXL is not installed."""

    def __init__(self) -> None:
        os.environ.setdefault("UCX_NET_DEVICES", "lo")
        api = _load()
        config = api.nixl_agent_config(enable_prog_thread=False, backends=[])
        self._agent = api.nixl_agent(_NAME, config)
        self._agent.create_backend("POSIX")
        self._buffer = bytearray(PIECE_BYTES)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._agent.register_memory([(self._address, PIECE_BYTES, 0, "")], "DRAM")

    def __call__(self, fd: int, size_bytes: int) -> Iterator[memoryview]:
        size_bytes = min(size_bytes, os.fstat(fd).st_size)
        file = self._agent.register_memory([(0, size_bytes, fd, "")], "FILE")
        try:
            for at in range(0, size_bytes, PIECE_BYTES):
                size = min(PIECE_BYTES, size_bytes - at)
                self._transfer(fd, at, size)
                yield memoryview(self._buffer)[:size]
        finally:
            self._agent.deregister_memory(file)

    def _transfer(self, fd: int, at: int, size: int) -> None:
        memory = self._agent.get_xfer_descs([(self._address, size, 0)], "DRAM")
        file = self._agent.get_xfer_descs([(at, size, fd)], "FILE")
        handle = self._agent.initialize_xfer("READ", memory, file, _NAME)
        try:
            state = self._agent.transfer(handle)
            while state == "PROC":
                time.sleep(_POLL_S)
                state = self._agent.check_xfer_state(handle)
        finally:
            self._agent.release_xfer_handle(handle)
        if state != "DONE":
            raise OSError(errno.EIO, f"NIXL ended with {state}")


def _load() -> Any:
    """NIXL for whichever CUDA it was installed for."""
    for name in NIXL[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return importlib.import_module(NIXL[-1])
