"""What one GPU is and does, through NVML; each question may go unanswered."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from nvinx.gpu.nvml import id_at, memory
from nvinx.gpu.ports import GpuFacts, GpuReading
from nvinx.sizes import capacity_mib, used_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

# CUDA cores per multiprocessor by compute capability (CUDA C++ Programming Guide, table of
# arithmetic instructions); the driver counts cores only.
_CORES_PER_SM = {
    **dict.fromkeys([(6, 0), (7, 0), (7, 2), (7, 5), (8, 0)], 64),
    **dict.fromkeys([(5, 0), (5, 2), (5, 3), (6, 1), (6, 2), (8, 6), (8, 7), (8, 9)], 128),
    **dict.fromkeys([(9, 0), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1)], 128),
    **dict.fromkeys([(3, 0), (3, 5), (3, 7)], 192),
}


def facts(gpu: str | int) -> GpuFacts | None:
    """What the GPU of this UUID or position (`GpuState.index`) is; None when there is none."""
    import pynvml

    with _opened(pynvml) as opened:
        handle = _handle(pynvml, gpu) if opened else None
        if handle is None:
            return None
        total = _answer(pynvml, lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).total)
        limit = _answer(pynvml, lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        sm = pynvml.NVML_CLOCK_SM
        capability = _answer(pynvml, lambda: pynvml.nvmlDeviceGetCudaComputeCapability(handle))
        return GpuFacts(
            name=_answer(pynvml, lambda: pynvml.nvmlDeviceGetName(handle)) or "(unknown)",
            driver=_answer(pynvml, pynvml.nvmlSystemGetDriverVersion),
            total_mib=None if total is None else capacity_mib(total),
            sm_count=_sm_count(pynvml, handle, capability),
            compute_capability=capability,
            max_sm_clock_mhz=_answer(pynvml, lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, sm)),
            power_limit_w=None if limit is None else limit / 1000,
            persistence=_on(_answer(pynvml, lambda: pynvml.nvmlDeviceGetPersistenceMode(handle))),
            accounting=_on(_answer(pynvml, lambda: pynvml.nvmlDeviceGetAccountingMode(handle))),
        )
    return None


def _on(mode: int | None) -> bool | None:
    return None if mode is None else bool(mode)


class NvmlMeter:
    """A GpuMeter over NVML. A context, or `close` it, so that the driver is let go."""

    def __init__(self, card_id: str) -> None:
        """card_id: the UUID as the probe gives it, of a GPU or a MIG device."""
        self._id = card_id
        self._stack = contextlib.ExitStack()
        self._device: Any = None

    def read(self) -> GpuReading:
        import pynvml

        if self._device is None and not self._open(pynvml):
            return GpuReading()
        d = self._device
        power = _answer(pynvml, lambda: pynvml.nvmlDeviceGetPowerUsage(d))
        busy = _answer(pynvml, lambda: pynvml.nvmlDeviceGetUtilizationRates(d).gpu)
        used = _answer(pynvml, lambda: memory(pynvml, d)[1])
        reading = GpuReading(
            None if busy is None else busy / 100,
            None if used is None else used_mib(used),
            None if power is None else power / 1000,
            _answer(pynvml, lambda: pynvml.nvmlDeviceGetClockInfo(d, pynvml.NVML_CLOCK_SM)),
            _answer(
                pynvml, lambda: pynvml.nvmlDeviceGetTemperature(d, pynvml.NVML_TEMPERATURE_GPU)
            ),
        )
        if reading == GpuReading():
            self.close()
        return reading

    def close(self) -> None:
        self._stack.close()
        self._device = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, nvml: Any) -> bool:
        if self._stack.enter_context(_opened(nvml)):
            self._device = _handle(nvml, self._id)
        if self._device is None:
            self._stack.close()
        return self._device is not None


@contextlib.contextmanager
def _opened(nvml: Any) -> Iterator[bool]:
    """The driver, open; NVML counts who opened it, so this disturbs nobody. False if it fails."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _handle(nvml: Any, gpu: str | int) -> Any:
    card_id = _answer(nvml, lambda: id_at(nvml, gpu)) if isinstance(gpu, int) else gpu
    return _answer(nvml, lambda: nvml.nvmlDeviceGetHandleByUUID(card_id)) if card_id else None


def _sm_count(nvml: Any, handle: Any, capability: tuple[int, int] | None) -> int | None:
    """Multiprocessors: of a MIG device as the driver counts them, else from the CUDA cores."""
    slice_of = _answer(nvml, lambda: nvml.nvmlDeviceGetAttributes(handle).multiprocessorCount)
    if slice_of:
        return int(slice_of)
    cores = _answer(nvml, lambda: nvml.nvmlDeviceGetNumGpuCores(handle))
    per_sm = _CORES_PER_SM.get(capability) if capability else None
    return None if cores is None or per_sm is None else cores // per_sm


def _answer(nvml: Any, ask: Callable[[], Any]) -> Any:
    """What the driver says, None when it does not."""
    try:
        return ask()
    except nvml.NVMLError:
        return None
