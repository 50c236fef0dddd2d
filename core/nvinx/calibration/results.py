"""What a calibration measured, and what follows from it. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nvinx.calibration.rates import slowdown, spread
from nvinx.interference.groups import GroupRun
from nvinx.interference.slowdown import CoRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Alone:
    """One program alone: iterations per second in each window.

    utilisation: mean share of time, 0..1, in which the GPU (without one, the core) was busy.
    used_mib: most VRAM in use on the card. Both None where the driver does not say.
    """

    model: str
    again: bool
    rates: tuple[float, ...]
    utilisation: float | None = None
    used_mib: int | None = None

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


@dataclass(frozen=True, slots=True)
class Beside:
    """Two programs side by side: iterations per second of each, in the same windows."""

    a: str
    b: str
    rates_a: tuple[float, ...]
    rates_b: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Two programs that could not run side by side."""

    a: str
    b: str
    problem: str


@dataclass(frozen=True, slots=True)
class Crowd:
    """Several programs side by side: iterations per second of each, in the same windows."""

    models: tuple[str, ...]
    rates: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class CrowdFailed:
    """Several programs that could not run side by side."""

    models: tuple[str, ...]
    problem: str


Result = Alone | Beside | Failed | Crowd | CrowdFailed


@dataclass(frozen=True, slots=True)
class Findings:
    """The co-runs and solo figures of a calibration, and what to be wary of.

    solo: iterations per second alone. utilisation: 0..1 by model, where known. groups: of three.
    """

    coruns: tuple[CoRun, ...]
    solo: dict[str, float]
    utilisation: dict[str, float]
    warnings: tuple[str, ...] = field(default=())
    groups: tuple[GroupRun, ...] = field(default=())


def conclude(results: Sequence[Result]) -> Findings:
    """Slowdowns from rates: the geometric mean of a model's solo rates over its co-run rate."""
    alone: dict[str, list[Alone]] = {}
    for result in results:
        if isinstance(result, Alone):
            alone.setdefault(result.model, []).append(result)
    solo = {
        m: math.exp(statistics.fmean(math.log(r.rate) for r in runs)) for m, runs in alone.items()
    }
    together = [r for r in results if isinstance(r, Beside)]
    coruns = tuple(
        CoRun(r.a, r.b, slowdown(solo[r.a], r.rates_a), slowdown(solo[r.b], r.rates_b))
        for r in together
    )
    utilisation = {
        m: statistics.fmean(known)
        for m, runs in alone.items()
        if (known := [r.utilisation for r in runs if r.utilisation is not None])
    }
    warnings = tuple(_warnings(alone, together, coruns, results))
    groups = tuple(_group(r, solo) for r in results if isinstance(r, Crowd))
    return Findings(coruns, solo, utilisation, warnings, groups)


def _group(run: Crowd, solo: Mapping[str, float]) -> GroupRun:
    each = zip(run.models, run.rates, strict=True)
    return GroupRun(run.models, tuple(slowdown(solo[name], rates) for name, rates in each))


def _warnings(
    alone: dict[str, list[Alone]],
    together: Sequence[Beside],
    coruns: Sequence[CoRun],
    results: Sequence[Result],
) -> Iterator[str]:
    for model, runs in alone.items():
        if (apart := spread([r.rate for r in runs])) > TOLERANCE:
            yield (
                f"{model} alone ran at rates {apart:.0%} apart, before and after; something else "
                "used the machine, or the card's clock changed"
            )
    for corun in coruns:
        yield from _too_fast(corun)
    for run in together:
        for of, beside, rates in ((run.a, run.b, run.rates_a), (run.b, run.a, run.rates_b)):
            if (apart := spread(rates)) > TOLERANCE:
                yield f"{of} beside {beside}: the windows differ by {apart:.0%}"
    yield from filter(None, map(_failure, results))


def _failure(result: Result) -> str | None:
    match result:
        case Failed():
            return f"{result.a} beside {result.b} could not be measured: {result.problem}"
        case CrowdFailed():
            names = ", ".join(result.models)
            return f"{names} could not be measured together: {result.problem}"
    return None


def _too_fast(corun: CoRun) -> Iterator[str]:
    for of, beside, factor in corun.directed:
        if factor < 1 - TOLERANCE:
            yield (
                f"{of} ran {1 / factor - 1:.0%} faster beside {beside} than alone; its solo rate "
                "was disturbed, measure again"
            )
