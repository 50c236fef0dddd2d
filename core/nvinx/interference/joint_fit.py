"""One fit of all that is known of sharing, and the belief that follows from it. Pure."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nvinx.interference.belief import Belief, Group, Pair
from nvinx.interference.joint_problem import MISFIT_SD, Problem
from nvinx.interference.p_norm import EXPONENT
from nvinx.interference.slowdown import MEASURED_SD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nvinx.interference.observed import Observed
    from nvinx.interference.slowdown import Measured

# Until both of a pair were seen so often, what one costs the other is drawn as nothing, as where
# nothing is known at all; what was calibrated is as familiar from the start. Then it is drawn as
# milder, so that it is tried: by so many standard deviations at first, and half as many after each
# so many runs.
FAMILIAR, NOVELTY = 3, 0.5
_NOTHING = -20.0  # ln excess
DARING = 0.5  # times the posterior's standard deviation: how far draws go
# How far off a calibration is that runs contradict: standard deviations, and ln slowdown at least.
_CONTRADICTED, _FELT = 4.0, math.log(1.25)


def fit(
    runs: Sequence[Observed],
    measured: Mapping[tuple[str, str], Measured] | None = None,
    seed: int = 0,
    exponent: float = EXPONENT,
    groups: Mapping[tuple[str, tuple[str, ...]], Measured] | None = None,
) -> Belief:
    """What these runs and the pairs that a calibration measured say together.

    The same runs and seed give the same belief. seed: of the draw. exponent: of `p_norm`. groups:
    of three and more that it measured; they are believed as measured until runs contradict a pair.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # more would take the cores from jobs, and gain nothing
        problem = Problem(runs, measured or {}, exponent)
        x, covariance = problem.solve()
        found = belief(problem, x, covariance, seed)
    return replace(found, groups=tuple(_uncontradicted(found, groups or {})))


def _uncontradicted(
    found: Belief, groups: Mapping[tuple[str, tuple[str, ...]], Measured]
) -> Iterator[Group]:
    for (of, beside), seen in groups.items():
        pairs = [found.pair(of, name) for name in beside]
        if not any(pair is not None and pair.contradicted for pair in pairs):
            yield Group(of, beside, seen.slowdown)


def belief(problem: Problem, x: Any, covariance: Any, seed: int) -> Belief:
    """All pairs of the problem's profiles, with one draw. seed: of the draw, with their names, as
    otherwise all benches would try the same things after as many runs.
    """
    import numpy as np

    chance = np.random.default_rng([seed, zlib.crc32("\n".join(problem.names).encode())])
    draw = chance.multivariate_normal(x, DARING**2 * covariance, method="cholesky")
    pairs_of_odd = [problem.paces.pairs[at] for at in problem.odd]
    own = {pair: problem.first_odd + k for k, pair in enumerate(pairs_of_odd)}
    seen = Counter(run.profile for run in problem.runs)
    seen.update({name: FAMILIAR for pair in problem.measured for name in pair})
    pairs: dict[str, dict[str, Pair]] = {}
    for of in problem.names:
        for beside in problem.names:
            columns = problem.columns(of, beside)
            misfit = own.get((of, beside))
            columns += [] if misfit is None else [misfit]
            mean, drawn = float(x[columns].sum()), float(draw[columns].sum())
            variance = float(covariance[np.ix_(columns, columns)].sum())
            if misfit is None:
                variance += MISFIT_SD**2
                drawn += DARING * MISFIT_SD * float(chance.standard_normal())
            sd = math.sqrt(variance)
            drawn = _milder(drawn, sd, min(seen[of], seen[beside]))
            pairs.setdefault(of, {})[beside] = _pair(problem, (of, beside), mean, sd, drawn)
    n, solo, last = len(problem.names), problem.first_solo, problem.at_exponent
    return Belief(
        level=float(x[0]),
        suffers={name: float(x[1 + k]) for k, name in enumerate(problem.names)},
        hurts={name: float(x[1 + n + k]) for k, name in enumerate(problem.names)},
        pairs=pairs,
        solo=problem.solo.believed(x[solo:last], np.diag(covariance)[solo:last]),
        noise=problem.noise,
        runs=len(problem.runs),
        exponent=problem.exponent(x),
        strangers=tuple(name for name in problem.names if seen[name] < FAMILIAR),
    )


def _milder(drawn: float, sd: float, runs: int) -> float:
    """The ln excess of a pair as it is drawn, after so many runs of the two."""
    if runs < FAMILIAR:
        return _NOTHING
    return drawn - float(NOVELTY * 0.5 ** (runs / FAMILIAR - 1)) * sd


def _pair(problem: Problem, pair: tuple[str, str], mean: float, sd: float, drawn: float) -> Pair:
    told, together_s = problem.measured.get(pair), problem.together_s.get(pair, 0.0)
    return Pair(
        mean=mean,
        sd=sd,
        drawn=drawn,
        together_s=together_s,
        measured=None if told is None else told.slowdown,
        contradicted=told is not None and together_s > 0 and _is_far(told.slowdown, mean, sd),
    )


def _is_far(measured: float, mean: float, sd: float) -> bool:
    """Whether a measured slowdown is another than what is believed. mean, sd: of ln excess."""
    excess = math.exp(mean)
    off = abs(math.log(max(measured, 1.0)) - math.log1p(excess))
    sd_of_slowdown = sd * excess / (1.0 + excess)
    return off > max(_FELT, _CONTRADICTED * math.hypot(MEASURED_SD, sd_of_slowdown))
