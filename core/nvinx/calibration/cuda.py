"""torch on CUDA, imported when it is asked for; the only door to it here."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from nvinx.host import extras

if TYPE_CHECKING:
    from collections.abc import Callable


def torch_on_cuda() -> Any:
    """The module torch. Raises MissingExtraError without it, RuntimeError without a CUDA card."""
    instead = "calibrate without it: nvinx calibrate --command"
    torch = extras.require("torch", "torch", "measuring in this process", instead)
    if not torch.cuda.is_available():
        fix = "check nvidia-smi and that torch was built for CUDA"
        raise RuntimeError(f"torch finds no CUDA card here. Fix: {fix}.")
    return torch


def uuid_of(torch: Any) -> str:
    """The current card as the driver calls it; torch's own numbers are of visible cards only."""
    return f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"


def wall_ms(torch: Any, run: Callable[[], object], repeats: int) -> float:
    """Median ms of one run, from the call until the GPU is done."""
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def event_ms(torch: Any, run: Callable[[], object]) -> float:
    """ms between two CUDA events around one run, on the current stream."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def kernels_of(torch: Any, run: Callable[[], object]) -> tuple[int, float]:
    """How many kernels one run launches, and the ms they keep the GPU busy; needs no root."""
    activity = torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[activity]) as profile:
        run()
        torch.cuda.synchronize()
    return count_kernels(profile.events())


def count_kernels(events: Any) -> tuple[int, float]:
    """Number and total ms of the profiler's events that ran on the device as kernels."""
    durations = [
        event.device_time
        for event in events
        if "CUDA" in str(event.device_type) and not event.name.startswith(("Memcpy", "Memset"))
    ]
    return len(durations), sum(durations) / 1000
