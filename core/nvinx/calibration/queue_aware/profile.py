"""Upstream nvinx's profile of one model, and the two models of a pair in one process."""

from __future__ import annotations

import json
import statistics
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nvinx.calibration.cuda import event_ms, kernels_of, torch_on_cuda, uuid_of, wall_ms
from nvinx.calibration.queue_aware import ncu
from nvinx.interference.queue_aware.latency import InterferenceProfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nvinx.calibration.queue_aware.targets import ProfileTarget
    from nvinx.interference.queue_aware.gamma import PairMeasurement


def profile_model(  # noqa: PLR0913  (upstream's signature)
    loader: Callable[[], ProfileTarget],
    *,
    architecture_class: str = "unknown",
    n_warmup: int = 3,
    n_measure: int = 5,
    power_sustain_seconds: float = 5.0,
    ncu_sudo: bool = True,
    output_dir: Path | None = None,
) -> InterferenceProfile:
    """Measure one model alone; its theta is None until `fit_thetas`.

    L2 saturation is 0 with a RuntimeWarning where Nsight Compute cannot tell it. output_dir: for
    `<name>.json` (`/` as `_`). Raises ImportError without torch, RuntimeError without CUDA.
    """
    torch = torch_on_cuda()
    target = loader()

    def run() -> object:
        return target.inference_fn(target.sample_input)

    for _ in range(n_warmup):
        run()
    whole_ms = wall_ms(torch, run, n_measure)
    kernels, busy_ms = kernels_of(torch, run)
    active_ms = min(busy_ms or whole_ms, whole_ms)
    saturation, problem = ncu.l2_saturation_pct(target.loader_code, sudo=ncu_sudo)
    if saturation is None:
        warnings.warn(f"{target.name}: no L2 figure, {problem}", RuntimeWarning, stacklevel=2)
    profile = InterferenceProfile(
        name=target.name,
        kernels=kernels,
        baseidle_ms=whole_ms - active_ms,
        act_solo_ms=active_ms,
        l2_saturation_pct=saturation or 0.0,
        power_w=_power_w(torch, run, power_sustain_seconds),
        architecture_class=architecture_class,
    )
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / file_name(target.name)).write_text(json.dumps(asdict(profile), indent=1))
    return profile


def file_name(model: str) -> str:
    """The file of a model's profile; a name as on a model hub, with slashes, is no folder."""
    return model.replace("/", "_") + ".json"


def validate_pair(
    target_a: ProfileTarget, target_b: ProfileTarget, *, n_warmup: int = 2, n_measure: int = 5
) -> PairMeasurement:
    """Run both at once, a thread and a CUDA stream each: (name a, name b, ms of a, ms of b).

    Two threads also wait for each other's interpreter lock, which separate processes do not;
    `nvinx calibrate` measures those. Raises ImportError without torch, RuntimeError without CUDA.
    """
    torch = torch_on_cuda()
    together = threading.Barrier(2)

    def measure(target: ProfileTarget) -> float:
        times = []
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(n_warmup + n_measure):
                    together.wait()
                    times.append(event_ms(torch, lambda: target.inference_fn(target.sample_input)))
        except BaseException:
            together.abort()  # or the other side would wait for ever
            raise
        return statistics.median(times[n_warmup:])

    with ThreadPoolExecutor(2) as threads:
        sides = [threads.submit(measure, target) for target in (target_a, target_b)]
    for side in sides:
        if not isinstance(side.exception(), threading.BrokenBarrierError):
            side.result()  # raises what went wrong, not that the other side gave up for it
    return target_a.name, target_b.name, sides[0].result(), sides[1].result()


def _power_w(torch: Any, run: Callable[[], object], seconds: float) -> float:
    """Mean watts while the model runs; 0 where the driver does not say."""
    from nvinx.gpu import meter

    watts = []
    end = time.monotonic() + seconds
    with meter.NvmlMeter(uuid_of(torch)) as gauge:
        while time.monotonic() < end:
            run()
            torch.cuda.synchronize()
            power = gauge.read().power_w
            if power is None:
                return 0.0
            watts.append(power)
    return statistics.fmean(watts) if watts else 0.0
