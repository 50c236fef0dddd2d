"""The GPUs as NVIDIA's driver shows them, through NVML."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from typing import TYPE_CHECKING, Any

from nvinx.gpu.ports import GpuInventory, GpuProcess, GpuState
from nvinx.sizes import capacity_mib, used_mib

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARY = "libnvidia-ml.so.1"
_UNLOADABLE = "install the driver's library for this system, or look at what LD_LIBRARY_PATH names"
_WORDS = {
    "LIBRARY_NOT_FOUND": (
        "the NVIDIA driver's library (libnvidia-ml.so.1) was not found",
        "install the NVIDIA driver; in a container, start it with the GPU (--gpus all, --nv)",
    ),
    "DRIVER_NOT_LOADED": (
        "the NVIDIA driver is not loaded",
        "load it (sudo modprobe nvidia), or reboot if it was just installed",
    ),
    "FUNCTION_NOT_FOUND": (
        "the NVIDIA driver is too old for this query",
        "update the driver",
    ),
    "NO_PERMISSION": (
        "this user is not allowed to query the NVIDIA driver",
        "get read and write permission for /dev/nvidia*",
    ),
    "NOT_SUPPORTED": (
        "the NVIDIA driver does not support this query on this GPU",
        "update the driver, or declare the bench in nvinx.yaml without this GPU",
    ),
    "GPU_IS_LOST": (
        "the GPU is lost: it fell off the bus or must be reset",
        "reset it (sudo nvidia-smi --gpu-reset), or reboot",
    ),
    "LIB_RM_VERSION_MISMATCH": (
        "the NVIDIA driver was updated and its old version is still loaded",
        "reboot",
    ),
}
_NO_GPU = "the NVIDIA driver shows no GPU. Fix: check with nvidia-smi -L, or nvinx.yaml"
_NO_MIG_DEVICE = (
    "MIG mode is on, but it has no MIG device. "
    "Fix: make one (sudo nvidia-smi mig -cgi ... -C), or turn MIG mode off"
)
_NO_PROCESSES = (
    "it does not list its processes, so what other programs use of it is unknown. "
    "Fix: update the driver, or leave headroom for them"
)


class NvmlProbe:
    """A GpuProbe over NVML: opened at the first read, opened again after a failure or a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened_by: int | None = None

    def read(self) -> GpuInventory:
        with self._lock:
            import pynvml

            try:
                self._open(pynvml)
                scan = _Scan(pynvml)
                scan.see_all(pynvml.nvmlDeviceGetCount())
            except pynvml.NVMLError as error:
                self._close(pynvml)
                return GpuInventory((), _words(pynvml, error))
            if scan.problems:
                self._close(pynvml)
            return scan.result()

    def _open(self, nvml: Any) -> None:
        if self._opened_by != os.getpid():
            nvml.nvmlInit()
            self._opened_by = os.getpid()

    def _close(self, nvml: Any) -> None:
        if self._opened_by == os.getpid():
            with contextlib.suppress(nvml.NVMLError):  # the next read opens it anew in any case
                nvml.nvmlShutdown()
        self._opened_by = None


def id_at(nvml: Any, position: int) -> str | None:
    """The UUID of the card at this position, as `read` counts them; the driver must be open."""
    scan = _Scan(nvml)
    scan.see_all(nvml.nvmlDeviceGetCount())
    return next((gpu.id for gpu in scan.gpus if gpu.index == position), None)


def memory(nvml: Any, device: Any) -> tuple[int, int]:
    """Usable and used bytes. The older answer counts what the driver reserves as used."""
    try:
        newer = nvml.nvmlDeviceGetMemoryInfo(device, nvml.nvmlMemory_v2)
    except (
        nvml.NVMLError_FunctionNotFound,
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_InvalidArgument,
        nvml.NVMLError_ArgumentVersionMismatch,
    ):
        older = nvml.nvmlDeviceGetMemoryInfo(device)
        return older.total, older.used
    return newer.total - newer.reserved, newer.used


class _Scan:
    """One round over the GPUs; one that fails is left out, and `problems` says so."""

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml
        self.gpus: list[GpuState] = []
        self.problems: list[str] = []
        self.position = 0

    def result(self) -> GpuInventory:
        if not self.gpus and not self.problems:
            return GpuInventory((), _NO_GPU)
        return GpuInventory(tuple(self.gpus), "; ".join(dict.fromkeys(self.problems)) or None)

    def see_all(self, count: int) -> None:
        for number in range(count):
            try:
                handle = self.nvml.nvmlDeviceGetHandleByIndex(number)
                devices = list(self._mig_devices(handle)) if self._is_mig(handle) else [handle]
                if not devices:
                    self.problems.append(f"GPU {number}: {_NO_MIG_DEVICE}")
            except self.nvml.NVMLError as error:
                self.problems.append(f"GPU {number}: {_words(self.nvml, error)}")
                devices = [None]
            for device in devices:
                self._see(device, number)

    def _see(self, device: Any, number: int) -> None:
        """A GPU that cannot be seen still takes up its position, so that the others keep theirs."""
        position, self.position = self.position, self.position + 1
        if device is None:
            return
        try:
            self.gpus.append(self._state(device, position, number))
        except self.nvml.NVMLError as error:
            self.problems.append(f"GPU {number}: {_words(self.nvml, error)}")

    def _state(self, device: Any, position: int, number: int) -> GpuState:
        total, used = memory(self.nvml, device)
        processes = self._processes(device)
        if processes is None:
            self.problems.append(f"GPU {number}: {_NO_PROCESSES}")
        return GpuState(
            id=self.nvml.nvmlDeviceGetUUID(device),
            index=position,
            name=self.nvml.nvmlDeviceGetName(device),
            total_mib=capacity_mib(total),
            used_mib=None if processes is None else used_mib(used),
            processes=processes or (),
        )

    def _is_mig(self, handle: Any) -> bool:
        try:
            current, _pending = self.nvml.nvmlDeviceGetMigMode(handle)
        except (self.nvml.NVMLError_NotSupported, self.nvml.NVMLError_FunctionNotFound):
            return False
        return bool(current)

    def _mig_devices(self, handle: Any) -> Iterator[Any]:
        for slot in range(self.nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with contextlib.suppress(self.nvml.NVMLError_NotFound):  # an empty slot
                yield self.nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)

    def _processes(self, device: Any) -> tuple[GpuProcess, ...] | None:
        """Every process on the GPU once; None when the driver does not list them."""
        compute, graphics = self._listed(device, "Compute"), self._listed(device, "Graphics")
        if compute is None:
            return None
        used: dict[int, int | None] = {}
        for process in (*compute, *(graphics or ())):
            more = process.usedGpuMemory
            known = [u for u in (used.get(process.pid), more) if u is not None]
            used[process.pid] = max(known, default=None)
        return tuple(GpuProcess(p, None if u is None else used_mib(u)) for p, u in used.items())

    def _listed(self, device: Any, kind: str) -> list[Any] | None:
        for version in ("_v3", "_v2"):
            try:
                ask = getattr(self.nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}")
                listed: list[Any] = ask(device)
            except (self.nvml.NVMLError_FunctionNotFound, self.nvml.NVMLError_NotSupported):
                continue
            return listed
        return None


def _words(nvml: Any, error: Any) -> str:
    """What failed and what to do about it, in plain words."""
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND and (loader := _loaders_words()):
        return f"the NVIDIA driver's library cannot be loaded ({loader}). Fix: {_UNLOADABLE}"
    for name, (problem, fix) in _WORDS.items():
        if error.value == getattr(nvml, f"NVML_ERROR_{name}"):
            return f"{problem}. Fix: {fix}"
    return f"the NVIDIA driver failed ({error}). Fix: check with nvidia-smi"


def _loaders_words() -> str | None:
    """What the loader says of a library that is there; None where there is none, or it loads."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError as error:
        words = str(error)
        return None if words.startswith(f"{_LIBRARY}: cannot open") else words
    return None
