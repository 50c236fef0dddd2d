"""As much of the CUDA driver API as the campaign asks for, through ctypes; needs no framework.

Symbols and signatures: NVIDIA, CUDA Driver API (cuda.h). A failed call raises CudaError with the
driver's own name for it, such as CUDA_ERROR_OUT_OF_MEMORY.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

LIBRARY = "libcuda.so.1"
# What a call takes; all return a CUresult.
_CALLS: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoD_v2": (c_uint64, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, c_uint64, c_size_t),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
}


class CudaError(Exception):
    """A call of the driver that failed."""

    def __init__(self, call: str, code: int, name: str) -> None:
        super().__init__(f"{call}: {name} ({code})")
        self.code, self.name = code, name


class Cuda:
    """The driver with a context on the first visible card. Raises OSError without the library."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        for name, arguments in _CALLS.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, c_int
        self._call("cuInit", 0)
        device, context = c_int(), c_void_p()
        self._call("cuDeviceGet", byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", byref(context), device.value)
        self._call("cuCtxSetCurrent", context)

    def version(self) -> int:
        """Of the driver's CUDA, 13020 for 13.2."""
        version = c_int()
        self._call("cuDriverGetVersion", byref(version))
        return version.value

    def memory(self) -> tuple[int, int]:
        """Free and total bytes of the card."""
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def allocate(self, size: int) -> int:
        """So many bytes of the card; the address."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), size)
        return address.value

    def free(self, address: int) -> None:
        self._call("cuMemFree_v2", address)

    def pin(self, size: int) -> int:
        """So many bytes of pinned RAM; the address."""
        address = c_void_p()
        self._call("cuMemHostAlloc", byref(address), size, 0)
        return address.value or 0

    def unpin(self, address: int) -> None:
        self._call("cuMemFreeHost", address)

    def to_card(self, target: int, source: int, size: int) -> None:
        """Copy, and wait until it is done."""
        self._call("cuMemcpyHtoD_v2", target, source, size)
        self._call("cuCtxSynchronize")

    def from_card(self, target: int, source: int, size: int) -> None:
        """Copy, and wait until it is done."""
        self._call("cuMemcpyDtoH_v2", target, source, size)
        self._call("cuCtxSynchronize")

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = c_char_p()
            self._library.cuGetErrorName(code, byref(text))
            raise CudaError(name, code, (text.value or b"unknown").decode())
