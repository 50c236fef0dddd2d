"""What NVML says of a card, question by question, as a trace that tests can replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from nvinx.gpu import meter
from nvinx.gpu.nvml import NvmlProbe, memory

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = Any  # a value, or the name of NVML's error as {"error": name}


def answers(card_id: str) -> dict[str, Answer]:
    """The raw answers, and what nvinx's probe and meter make of them."""
    import pynvml as nvml

    nvml.nvmlInit()
    try:
        device = nvml.nvmlDeviceGetHandleByUUID(card_id)
        raw = {name: _answer(nvml, ask) for name, ask in _questions(nvml, device).items()}
    finally:
        nvml.nvmlShutdown()
    with meter.NvmlMeter(card_id) as gauge:
        reading = to_builtins(gauge.read())
    found = meter.facts(card_id)
    return {
        "raw": raw,
        "look": _look(),
        "reading": reading,
        "facts": None if found is None else to_builtins(found),
    }


def _look() -> dict[str, Any]:
    """What the probe sees; cards are named by their positions, as a trace is for everybody."""
    look = to_builtins(NvmlProbe().read())
    return look | {"gpus": [gpu | {"id": f"GPU-{gpu['index']}"} for gpu in look["gpus"]]}


class MemoryPoll:
    """Quick looks at one card: a process's bytes, None where they are not told, and the card's."""

    def __init__(self, card_id: str, pid: int) -> None:
        import pynvml as nvml

        self._nvml, self._pid = nvml, pid
        nvml.nvmlInit()
        self._device = nvml.nvmlDeviceGetHandleByUUID(card_id)

    def look(self) -> tuple[int | None, int]:
        listed = _answer(self._nvml, lambda: _processes(self._nvml, self._device))
        return memory_of(self._pid, listed), memory(self._nvml, self._device)[1]

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def memory_now(card_id: str) -> tuple[int, int]:
    """Usable and used bytes of the card, as nvinx reads them."""
    import pynvml as nvml

    nvml.nvmlInit()
    try:
        return memory(nvml, nvml.nvmlDeviceGetHandleByUUID(card_id))
    finally:
        nvml.nvmlShutdown()


def memory_of(pid: int, answer: Answer) -> int | None:
    """Bytes that a process uses, out of the answer `processes`; None where it is not told."""
    if isinstance(answer, dict):
        return None
    return next((used for listed, used in answer if listed == pid), None)


def _processes(nvml: Any, device: Any) -> list[tuple[int, int | None]]:
    listed = nvml.nvmlDeviceGetComputeRunningProcesses_v3(device)
    return [(each.pid, each.usedGpuMemory) for each in listed]


def _questions(nvml: Any, device: Any) -> dict[str, Callable[[], Answer]]:
    def sizes(*version: Any) -> dict[str, int]:
        told = nvml.nvmlDeviceGetMemoryInfo(device, *version)
        names = ("total", "reserved", "free", "used")
        return {name: getattr(told, name) for name in names if hasattr(told, name)}

    sm = nvml.NVML_CLOCK_SM
    return {
        "memory_v1": sizes,
        "memory_v2": lambda: sizes(nvml.nvmlMemory_v2),
        "processes": lambda: _processes(nvml, device),
        "accounting": lambda: nvml.nvmlDeviceGetAccountingMode(device),
        "persistence": lambda: nvml.nvmlDeviceGetPersistenceMode(device),
        "mig": lambda: list(nvml.nvmlDeviceGetMigMode(device)),
        "compute_mode": lambda: nvml.nvmlDeviceGetComputeMode(device),
        "utilisation": lambda: nvml.nvmlDeviceGetUtilizationRates(device).gpu,
        "power_mw": lambda: nvml.nvmlDeviceGetPowerUsage(device),
        "power_limit_mw": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(device),
        "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(device, sm),
        "sm_clock_most_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(device, sm),
        "cores": lambda: nvml.nvmlDeviceGetNumGpuCores(device),
        "capability": lambda: list(nvml.nvmlDeviceGetCudaComputeCapability(device)),
        "pcie": lambda: [
            nvml.nvmlDeviceGetCurrPcieLinkGeneration(device),
            nvml.nvmlDeviceGetCurrPcieLinkWidth(device),
        ],
        "driver": nvml.nvmlSystemGetDriverVersion,
        "cuda": nvml.nvmlSystemGetCudaDriverVersion,
    }


def accounting(card_id: str, pid: int) -> Answer:
    """Most bytes that a process used by the driver's own account, where that is switched on."""
    import pynvml as nvml

    nvml.nvmlInit()
    try:
        device = nvml.nvmlDeviceGetHandleByUUID(card_id)
        return _answer(nvml, lambda: nvml.nvmlDeviceGetAccountingStats(device, pid).maxMemoryUsage)
    finally:
        nvml.nvmlShutdown()


def _answer(nvml: Any, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except nvml.NVMLError as error:
        return {"error": type(error).__name__.removeprefix("NVMLError_")}
