"""What the joint fit solves: co-runs of a calibration, runs alone and runs in company as one.

ln time of a run = ln time alone of its kind + ln slowdown by its company, where what adds up over
the time is the pace: time = time alone / sum over company of (share of the time / slowdown). The
excess slowdown of a pair is exp(level + a_i + b_j + d_ij): how much one suffers, how much the other
hurts, with the calibration's own prior, and what the two factors miss. All noise is Student's t, so
that an odd run decides little, and many runs overrule a calibration.

Who is slow by chance stays when others have left, and so is alone for longer: company is no
accident, and taken as one it makes sharing look cheap. It is the work that chance draws, and the
end of a run is where its work is done: so a run's likelihood is that of its work, per second at its
end, which is times the pace at the end over that of the whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nvinx.interference.belief import KNOWN_SD
from nvinx.interference.groups import EXPONENT_SD, LEAST, MOST
from nvinx.interference.paces import Paces
from nvinx.interference.slowdown import (
    CORRELATION,
    HURTS_SD,
    LEVEL,
    LEVEL_SD,
    MEASURED_SD,
    SUFFERS_SD,
)
from nvinx.interference.solo_times import SoloTimes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nvinx.interference.observed import Observed
    from nvinx.interference.slowdown import Measured

TAIL = 4.0  # degrees of freedom
_INFORMATION = (TAIL + 1) / (TAIL + 3)  # of rows with such tails, by what their weights say
MISFIT_SD = 0.35  # of the ln excess of a pair around what its two factors say
MISFIT_OF_SLOWDOWN, _FLAT = 0.1, 0.03  # the same of ln slowdown, and the least excess that counts
NOISE_SD, NOISE_WEIGHT, NOISE_FLOOR = 0.2, 4.0, 0.03  # of the ln time of a run
MOST_ODD = 120  # pairs with a misfit of their own: the calibrated, and those longest together
_LEAST, _MOST = -12.0, 5.0  # of ln excess
# Of the way from the most probable to the mean, and up to which standard deviation of all ln times
# alone: less is known where all ran in company, and medians would make heavy sharing look cheap.
_MEDIAN = 2 / 3
_STEP = 1e-4  # of the exponent, for what follows from it
_ROUNDS, _TRIES, _SETTLED = 30, 7, 1e-3
_RESCALED, _SCALED = (3, 7, 11), 8  # rounds before which the noise is estimated anew, in steps


class Problem:
    """The unknowns: level, a and b of each profile, d of some pairs, those of the solo times, and
    the exponent by which several partners combine.

    names: the profiles. odd: the numbers of the pairs with a misfit, in order. noise: the standard
    deviation of the ln time of a run.
    """

    def __init__(
        self,
        runs: Sequence[Observed],
        measured: Mapping[tuple[str, str], Measured],
        exponent: float,
    ) -> None:
        """exponent: of `p_norm`, as it is believed to be before the first run."""
        import numpy as np

        self.runs, self.measured, self.noise = runs, measured, NOISE_SD
        self.paces = Paces(runs, measured)
        self._log_s = np.log(np.array([run.ran_s for run in runs], dtype=float))
        self.solo = SoloTimes(runs, self._log_s)
        named = {name for pair in self.paces.pairs for name in pair}
        self.names = sorted(named | {run.profile for run in runs})
        self.together_s = _together_s(runs)
        self.odd = self._odd()
        self.first_odd = 1 + 2 * len(self.names)
        self.first_solo = self.first_odd + len(self.odd)
        self.at_exponent = self.first_solo + len(self.solo.centre)
        self._effect = self._effect_on_excess()
        self._told = np.log([max(seen.slowdown, 1.0) for seen in measured.values()])
        self._told_sd = MEASURED_SD / np.sqrt([seen.repeats for seen in measured.values()])
        self._misfit_sd = self._misfits()
        self._centre, self._precision = self._prior(exponent)

    def _odd(self) -> list[int]:
        """Which pairs may differ from what their two factors say."""
        pairs, known = self.paces.pairs, len(self.measured)
        ranked = sorted(
            range(len(pairs)),
            key=lambda at: (at >= known, -self.together_s.get(pairs[at], 0.0)),
        )
        return sorted(ranked[:MOST_ODD])

    def _misfits(self) -> Any:
        """Standard deviations; a measured pair of little excess may be far off in its logarithm."""
        import numpy as np

        sd = np.full(len(self.odd), MISFIT_SD)
        told = [at for at, pair in enumerate(self.odd) if pair < len(self._told)]
        excess = np.maximum(np.expm1(self._told[[self.odd[at] for at in told]]), _FLAT)
        sd[told] = np.maximum(MISFIT_SD, MISFIT_OF_SLOWDOWN * (1 + excess) / excess)
        return sd

    def columns(self, of: str, beside: str) -> list[int]:
        """The unknowns that add up to the ln excess of a pair, but for its misfit."""
        n = len(self.names)
        return [0, 1 + self.names.index(of), 1 + n + self.names.index(beside)]

    def _effect_on_excess(self) -> Any:
        """Of the unknowns on the ln excess of each pair: pairs x unknowns."""
        import numpy as np

        effect = np.zeros((len(self.paces.pairs), self.first_solo))
        for at, pair in enumerate(self.paces.pairs):
            effect[at, self.columns(*pair)] = 1
        effect[self.odd, self.first_odd + np.arange(len(self.odd))] = 1
        return effect

    def _prior(self, exponent: float) -> tuple[Any, Any]:
        """Centre and precision of what is believed before, but for the misfits."""
        import numpy as np

        n, size = len(self.names), self.at_exponent + 1
        cross = CORRELATION * SUFFERS_SD * HURTS_SD
        each = np.linalg.inv(np.array([[SUFFERS_SD**2, cross], [cross, HURTS_SD**2]]))
        centre, precision = np.zeros(size), np.zeros((size, size))
        centre[0], precision[0, 0] = LEVEL, LEVEL_SD**-2
        for k in range(n):
            both = [1 + k, 1 + n + k]
            precision[np.ix_(both, both)] = each
        centre[self.first_solo :] = [*self.solo.centre, exponent]
        solo = np.arange(self.first_solo, self.at_exponent)
        precision[solo, solo] = self.solo.precision
        precision[-1, -1] = EXPONENT_SD**-2
        return centre, precision

    def solve(self) -> tuple[Any, Any]:
        """The unknowns, as medians where they are known well, and their covariance."""
        import numpy as np

        x, damping = self._centre.copy(), 1e-2
        for turn in range(_ROUNDS):
            if turn in _RESCALED:
                self._rescale(x)
            x, damping, moved = self._improved(x, damping)
            if moved < _SETTLED and turn >= _RESCALED[-1]:
                break
        known = self._precision + _INFORMATION * (self._normal(x)[0] - self._precision)
        covariance = np.linalg.inv(known)
        covariance = (covariance + covariance.T) / 2
        return x + self._to_median(x, covariance), covariance

    def _to_median(self, x: Any, covariance: Any) -> Any:
        """How far the medians are from the most probable, to first order.

        What a run tells of an ln excess grows with that excess, so there is more room below the
        most probable than above; and as all runs of a kind share one time alone, such errors of
        many pairs add up. The mean is off by -covariance @ grad(ln det curvature) / 2 (Tierney and
        Kadane 1986). No unknown moves by more than its standard deviation.
        """
        import numpy as np

        sd = np.sqrt(np.diag(covariance))
        if sd[self.first_solo :][: len(self.solo.kinds)].max(initial=0.0) > KNOWN_SD:
            return np.zeros_like(x)
        excess, exponent = self._excess(x), self.exponent(x)
        log_pace, _ = self.paces.logs(excess, exponent)
        of_runs, of_told, _ = self._residuals(x, excess, log_pace)
        lost, _ = self.paces.lost(excess, exponent)
        effect = self._effect_on_runs(lost, self._by_exponent(x, excess)[0])
        by_pair = covariance[:, : self.first_solo] @ self._effect.T  # unknowns x pairs
        growth = _weight(of_runs) @ (lost * (1 - lost) * (effect @ by_pair)) / self.noise
        known = len(of_told)
        share = excess[:known] / (1 + excess[:known])
        variance = np.sum(self._effect[:known].T * by_pair[: self.first_solo, :known], axis=0)
        growth[:known] += _weight(of_told) * share**2 * (1 - share) * variance / self._told_sd**2
        step = -_MEDIAN * _INFORMATION * by_pair @ growth
        return step / max(1.0, float(np.max(np.abs(step) / sd)))

    def _improved(self, x: Any, damping: float) -> tuple[Any, float, float]:
        """A step of Levenberg's and Marquardt's: the new x and damping, and how far it went."""
        import numpy as np

        (curvature, slope), cost = self._normal(x), self._cost(x)
        for _ in range(_TRIES):
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), slope)
            if self._cost(x + step) <= cost:
                return x + step, max(damping / 5, 1e-7), float(np.abs(step).max())
            damping *= 8
        return x, damping, 0.0

    def _excess(self, x: Any) -> Any:
        """Of each pair."""
        import numpy as np

        return np.exp(np.clip(self._effect @ x[: self.first_solo], _LEAST, _MOST))

    def exponent(self, x: Any) -> float:
        return float(min(max(x[self.at_exponent], LEAST), MOST))

    def _by_exponent(self, x: Any, excess: Any) -> tuple[Any, Any]:
        """By how much ln pace, and what it was more at the end, grow with the exponent."""
        at = self.exponent(x)
        low, high = (self.paces.logs(excess, at + step) for step in (-_STEP, _STEP))
        return (high[0] - low[0]) / (2 * _STEP), (high[1] - low[1]) / (2 * _STEP)

    def _residuals(self, x: Any, excess: Any, log_pace: Any) -> tuple[Any, Any, Any]:
        """Of runs, of the calibration and of the misfits, in standard deviations."""
        import numpy as np

        said = self.solo.effect @ x[self.first_solo : self.at_exponent] - log_pace
        told = np.log1p(excess[: len(self._told)])
        misfit = x[self.first_odd : self.first_solo]
        return (
            (self._log_s - said) / self.noise,
            (self._told - told) / self._told_sd,
            misfit / self._misfit_sd,
        )

    def _of_runs(self, x: Any) -> Any:
        """The residuals of runs only."""
        excess = self._excess(x)
        return self._residuals(x, excess, self.paces.logs(excess, self.exponent(x))[0])[0]

    def _cost(self, x: Any) -> float:
        """Twice the negative logarithm of the posterior, less what is the same for all."""
        import numpy as np

        off = x - self._centre
        excess = self._excess(x)
        log_pace, at_end = self.paces.logs(excess, self.exponent(x))
        rows = self._residuals(x, excess, log_pace)
        tails = sum(float(np.log1p(row**2 / TAIL).sum()) for row in rows)
        return (TAIL + 1) * tails + float(off @ self._precision @ off) - 2 * float(at_end.sum())

    def _normal(self, x: Any) -> tuple[Any, Any]:
        """Curvature and slope of the posterior, by Gauss and Newton."""
        import numpy as np

        excess, exponent = self._excess(x), self.exponent(x)
        lost, lost_at_end = self.paces.lost(excess, exponent)
        by_exponent, by_exponent_at_end = self._by_exponent(x, excess)
        log_pace, _ = self.paces.logs(excess, exponent)
        of_runs, of_told, of_misfits = self._residuals(x, excess, log_pace)
        curvature = self._precision.copy()
        slope = -self._precision @ (x - self._centre)
        slope[: self.first_solo] -= lost_at_end.sum(axis=0) @ self._effect
        slope[self.at_exponent] += by_exponent_at_end.sum()
        effect = self._effect_on_runs(lost, by_exponent)
        weight = _weight(of_runs)
        curvature += _squared(effect, weight)
        slope += effect.T @ (weight * of_runs)
        known = excess[: len(self._told)]
        effect = self._effect[: len(known)] * (known / (1 + known) / self._told_sd)[:, None]
        weight, pairs = _weight(of_told), slice(self.first_solo)
        curvature[pairs, pairs] += _squared(effect, weight)
        slope[pairs] += effect.T @ (weight * of_told)
        own = np.arange(self.first_odd, self.first_solo)
        curvature[own, own] += _weight(of_misfits) / self._misfit_sd**2
        slope[own] -= _weight(of_misfits) * of_misfits / self._misfit_sd
        return curvature, slope

    def _effect_on_runs(self, lost: Any, by_exponent: Any) -> Any:
        """Of the unknowns on what runs are said to take, in standard deviations."""
        import numpy as np

        effects = [lost @ self._effect, self.solo.effect, -by_exponent[:, None]]
        return np.hstack(effects) / self.noise

    def _rescale(self, x: Any) -> None:
        """The noise of the runs, from their residuals, but for what the unknowns follow of it."""
        off = self.noise * self._of_runs(x)
        count = NOISE_WEIGHT + len(off) - self._followed(x)
        for _ in range(_SCALED):
            squares = float(_weight(off / self.noise) @ off**2)
            spread = (NOISE_WEIGHT * NOISE_SD**2 + squares) / count
            self.noise = max(math.sqrt(spread), NOISE_FLOOR)

    def _followed(self, x: Any) -> float:
        """How many of the runs' residuals the unknowns take up: half of the runs at most."""
        import numpy as np

        excess = self._excess(x)
        lost, _ = self.paces.lost(excess, self.exponent(x))
        effect = self._effect_on_runs(lost, self._by_exponent(x, excess)[0])
        by_runs = _squared(effect, _weight(self._of_runs(x)))
        taken_up = np.trace(np.linalg.solve(self._normal(x)[0], by_runs))
        return min(float(taken_up), len(self.runs) / 2)


def _squared(effect: Any, weight: Any) -> Any:
    return effect.T @ (effect * weight[:, None])


def _weight(residual: Any) -> Any:
    """What a row counts, by how many standard deviations it is off."""
    return (TAIL + 1) / (TAIL + residual**2)


def _together_s(runs: Sequence[Observed]) -> dict[tuple[str, str], float]:
    """Seconds that runs of each profile spent beside each other one."""
    found: dict[tuple[str, str], float] = {}
    for run in runs:
        for each in run.company:
            for name in each.partners:
                pair = (run.profile, name)
                found[pair] = found.get(pair, 0.0) + each.seconds
    return found
