"""Upstream nvinx's coefficients of a card: delay among several models, and power under load."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from nvinx.calibration.cuda import torch_on_cuda, uuid_of, wall_ms
from nvinx.interference.queue_aware.latency import HardwareCoefficients

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BURST = 50  # kernels in one inference of the sweep: many and short, so that launching counts
_SIDE, _HEAVY_SIDE = 64, 4096
_READ_EVERY_S = 0.2


def sweep_hardware(
    *,
    output_dir: Path | None = None,
    n_idlef_max: int = 5,
    n_idlef_trials: int = 5,
    powerp_sustain_seconds: float = 20.0,
    substrate_name: str | None = None,
) -> HardwareCoefficients:
    """Measure this card's coefficients; about half a minute.

    n_idlef_max: most streams at once; n_idlef_trials: repeats of each. output_dir: for the raw
    samples, `hardware_idlef_raw.json` and `hardware_powerp_raw.json`. Raises ImportError without
    torch, RuntimeError without CUDA.
    """
    torch = torch_on_cuda()
    from nvinx.gpu import meter

    found = meter.facts(uuid_of(torch))
    samples = [(n, _bursts_ms(torch, n, n_idlef_trials)) for n in range(1, n_idlef_max + 1)]
    watts = _powers(torch, powerp_sustain_seconds)
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / "hardware_idlef_raw.json").write_text(json.dumps(samples))
        (output_dir / "hardware_powerp_raw.json").write_text(json.dumps(watts))
    return HardwareCoefficients(
        idlef_polynomial=delay_polynomial(samples),
        powerp_linear=power_line(*watts),
        nominal_freq_mhz=float(found.max_sm_clock_mhz or 0) if found else 0.0,
        tdp_watts=float(found.power_limit_w or 0) if found else 0.0,
        substrate_name=substrate_name or plain_name(found.name if found else "unknown"),
    )


def delay_polynomial(samples: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Slope and offset of the ms that each inference takes longer among n than alone."""
    import numpy as np

    alone = dict(samples)[1]
    counts = [n for n, _ in samples]
    longer = [ms - alone for _, ms in samples]
    if len(counts) < 2:  # noqa: PLR2004
        return 0.0, 0.0
    slope, offset = np.polyfit(counts, longer, 1)
    return float(slope), float(offset)


def power_line(idle: Sequence[float], load: Sequence[float]) -> tuple[float, ...]:
    """Watts by load from 0 to 1: slope and offset; (0.0,) where the driver tells no power."""
    if not idle or not load:
        return (0.0,)
    low, high = sum(idle) / len(idle), sum(load) / len(load)
    return high - low, low


def plain_name(name: str) -> str:
    """A card's name in small letters and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _bursts_ms(torch: Any, n: int, trials: int) -> float:
    """Median ms until n streams with a burst each are done."""
    streams = [torch.cuda.Stream() for _ in range(n)]
    matrix = torch.rand(_SIDE, _SIDE, device="cuda")

    def run() -> None:
        for _ in range(_BURST):
            for stream in streams:
                with torch.cuda.stream(stream):
                    matrix @ matrix

    run()
    return wall_ms(torch, run, trials)


def _powers(torch: Any, seconds: float) -> tuple[list[float], list[float]]:
    """Watts at rest and under a heavy load."""
    from nvinx.gpu import meter

    idle: list[float] = []
    load: list[float] = []
    with meter.NvmlMeter(uuid_of(torch)) as gauge:
        for readings, span, busy in ((idle, min(seconds, 2.0), False), (load, seconds, True)):
            end = time.monotonic() + span
            while time.monotonic() < end:
                if busy:
                    _heavy(torch)
                else:
                    time.sleep(_READ_EVERY_S)
                power = gauge.read().power_w
                if power is not None:
                    readings.append(power)
    return idle, load


def _heavy(torch: Any) -> None:
    matrix = torch.rand(_HEAVY_SIDE, _HEAVY_SIDE, device="cuda")
    end = time.monotonic() + _READ_EVERY_S
    while time.monotonic() < end:
        matrix @ matrix
        torch.cuda.synchronize()
