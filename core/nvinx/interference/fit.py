"""Fits the slowdown model to co-runs: the maximum of its posterior, and how sharp that is.

Source of the form: ln slowdown = ln(1 + exp(level + a_i + b_j)), after the observation that each
co-run tells twice, what i suffered and what j suffered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from nvinx.host import extras
from nvinx.interference.groups import Seen, fitted_exponent
from nvinx.interference.slowdown import (
    CORRELATION,
    HURTS_SD,
    LEVEL,
    LEVEL_SD,
    SUFFERS_SD,
    Measured,
    Provenance,
    SlowdownModel,
    Trait,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nvinx.interference.groups import GroupRun
    from nvinx.interference.slowdown import CoRun

_Key = TypeVar("_Key", tuple[str, str], tuple[str, tuple[str, ...]])

# One set of constants for every card; docs/decisions/slowdown-model.md says how much each matters.
NOISE_SD = 0.1  # of ln slowdown around the model: its own misfit and the measurement's noise
NOISE_WEIGHT = 10.0  # how many observations that belief is worth
NOISE_FLOOR = 0.05
TAIL = 6.0  # degrees of freedom of the noise: some pairs do not fit any product of two factors
SLOPE_SD = 0.2  # of what utilisation says of suffering and hurting
NEEDS = ("scipy", "calibrate", "fitting a slowdown model")
_BUSIEST = 0.99  # a utilisation of 1 means that nvidia-smi never saw it idle, not that it never is


def fit_slowdown_model(
    coruns: Iterable[CoRun],
    *,
    groups: Iterable[GroupRun] = (),
    utilisation: Mapping[str, float] | None = None,
    provenance: Provenance | None = None,
    start: SlowdownModel | None = None,
) -> SlowdownModel:
    """A model of who slows whom, from measured co-runs.

    groups: three and more that were measured together; from them is learned how costs combine.
    utilisation: solo GPU utilisation 0..1 by model, as nvidia-smi gives it; models may be missing.
    start: a fit of almost the same co-runs, which saves time. Raises ValueError when there is no
    co-run, or a utilisation is not between 0 and 1; MissingExtraError without scipy.
    """
    extras.require(*NEEDS)
    runs = list(coruns)
    if not runs:
        raise ValueError("there is no co-run to fit a slowdown model to; measure at least one")
    measured = _measured(runs)
    problem = Problem.of(measured, utilisation or {})
    x = problem.solve(None if start is None else problem.unknowns(start))
    return _with_groups(problem.model(x, measured, provenance or Provenance()), groups)


def _with_groups(model: SlowdownModel, groups: Iterable[GroupRun]) -> SlowdownModel:
    """The model with the groups that were measured, and the exponent that they show."""
    sides = [side for group in groups for side in group.directed]
    if not sides:
        return model
    seen = [
        Seen(slowdown, tuple(model.predict(of, [name]).slowdown - 1.0 for name in beside))
        for of, beside, slowdown in sides
    ]
    found = _means([((of, beside), slowdown) for of, beside, slowdown in sides])
    return replace(model, exponent=fitted_exponent(seen), groups=found)


def _measured(runs: Sequence[CoRun]) -> dict[tuple[str, str], Measured]:
    """Each direction once."""
    return _means(
        [((of, beside), slowdown) for run in runs for of, beside, slowdown in run.directed]
    )


def _means(slowdowns: Iterable[tuple[_Key, float]]) -> dict[_Key, Measured]:
    """By who suffers beside whom: the geometric mean of the repeats."""
    logs: dict[_Key, list[float]] = {}
    for key, slowdown in slowdowns:
        logs.setdefault(key, []).append(math.log(slowdown))
    return {
        key: Measured(math.exp(math.fsum(values) / len(values)), len(values))
        for key, values in logs.items()
    }


@dataclass(frozen=True)
class Problem:
    """The least-squares problem over (level, a of n models, b of n models, two slopes).

    i, j: row of who suffers and of who hurts, per observation. y: ln slowdown. prior: whitening
    rows; prior @ x - offset is what the beliefs hold against x.
    """

    names: tuple[str, ...]
    i: Any
    j: Any
    y: Any
    prior: Any
    offset: Any

    @classmethod
    def of(
        cls, measured: Mapping[tuple[str, str], Measured], utilisation: Mapping[str, float]
    ) -> Problem:
        import numpy as np

        names = tuple(sorted({name for pair in measured for name in pair} | set(utilisation)))
        row = {name: k for k, name in enumerate(names)}
        prior, offset = _prior(_load(names, utilisation))
        return cls(
            names,
            np.array([row[of] for of, _ in measured]),
            np.array([row[beside] for _, beside in measured]),
            np.log([m.slowdown for m in measured.values()]),
            prior,
            offset,
        )

    def solve(self, start: Any = None) -> Any:
        """The most probable unknowns, by least squares with Student's t for the noise."""
        import numpy as np
        from scipy.optimize import least_squares

        if start is None:
            start = np.zeros(self.prior.shape[1])
            start[0] = LEVEL
        found = least_squares(
            self._residuals, start, self._jacobian, loss=self._loss, xtol=1e-5, ftol=1e-6
        )
        return found.x

    def unknowns(self, model: SlowdownModel) -> Any:
        """A fitted model as the unknowns of this problem; the slopes stand at 0."""
        import numpy as np

        known = [model.traits.get(name) for name in self.names]
        suffers = [0.0 if trait is None else trait.suffers for trait in known]
        hurts = [0.0 if trait is None else trait.hurts for trait in known]
        return np.array([model.level, *suffers, *hurts, 0.0, 0.0])

    def model(
        self, x: Any, measured: Mapping[tuple[str, str], Measured], provenance: Provenance
    ) -> SlowdownModel:
        import numpy as np

        n, residual = len(self.names), self._residuals(x)[: len(self.y)]
        weighted = self._jacobian(x)[: len(self.y)]
        weighted *= np.sqrt((TAIL + 1) / (TAIL + residual**2))[:, None]
        data = weighted.T @ weighted
        covariance = np.linalg.inv(data + self.prior.T @ self.prior)
        covariance = (covariance + covariance.T) / 2  # to the last bit, so that a file holds half
        spare = max(len(self.y) - float(np.sum(covariance * data)), 0.0)
        misfit = (NOISE_WEIGHT + float(residual @ residual)) / (NOISE_WEIGHT + spare)
        noise = max(NOISE_SD * math.sqrt(misfit), NOISE_FLOOR)
        partners = _partners(measured)
        return SlowdownModel(
            level=float(x[0]),
            noise=noise,
            traits={
                name: Trait(float(x[1 + k]), float(x[1 + n + k]), len(partners.get(name, ())))
                for k, name in enumerate(self.names)
            },
            covariance=tuple(
                tuple(float(v) for v in line) for line in covariance[:-2, :-2] * misfit
            ),
            measured=measured,
            provenance=provenance,
        )

    def _excess(self, x: Any) -> Any:
        import numpy as np

        n = len(self.names)
        return np.exp(np.clip(x[0] + x[1 + self.i] + x[1 + n + self.j], -30.0, 10.0))

    def _residuals(self, x: Any) -> Any:
        import numpy as np

        data = (np.log1p(self._excess(x)) - self.y) / NOISE_SD
        return np.concatenate([data, self.prior @ x - self.offset])

    def _jacobian(self, x: Any) -> Any:
        import numpy as np

        n, rows, excess = len(self.names), np.arange(len(self.y)), self._excess(x)
        slope = excess / (1 + excess) / NOISE_SD
        data = np.zeros((len(self.y), len(x)))
        data[:, 0] = slope
        data[rows, 1 + self.i] = slope
        data[rows, 1 + n + self.j] = slope
        return np.vstack([data, self.prior])

    def _loss(self, squares: Any) -> Any:
        """Student's t for the observations, plain squares for the beliefs; scipy's convention."""
        import numpy as np

        seen = np.arange(len(squares)) < len(self.y)
        heavy = (TAIL + 1) * np.log1p(squares / TAIL)
        first = (TAIL + 1) / (TAIL + squares)
        second = -(TAIL + 1) / (TAIL + squares) ** 2
        return np.array(
            [np.where(seen, heavy, squares), np.where(seen, first, 1), np.where(seen, second, 0)]
        )


def _prior(load: Any) -> tuple[Any, Any]:
    """Whitening rows of the beliefs: a pair of factors per model, the slopes, the level.

    load: how busy each model keeps the GPU alone, standardised, 0 where unknown.
    """
    import numpy as np

    n, cross = len(load), CORRELATION * SUFFERS_SD * HURTS_SD
    spread = np.array([[SUFFERS_SD**2, cross], [cross, HURTS_SD**2]])
    whiten = np.linalg.cholesky(np.linalg.inv(spread)).T
    rows = np.zeros((2 * n + 3, 2 * n + 3))
    for k, x in enumerate(load):
        pair = np.zeros((2, 2 * n + 3))
        pair[0, [1 + k, 1 + 2 * n]] = 1, -x
        pair[1, [1 + n + k, 2 + 2 * n]] = 1, -x
        rows[2 * k : 2 * k + 2] = whiten @ pair
    rows[[2 * n, 2 * n + 1], [1 + 2 * n, 2 + 2 * n]] = 1 / SLOPE_SD
    rows[2 * n + 2, 0] = 1 / LEVEL_SD
    offset = np.zeros(2 * n + 3)
    offset[2 * n + 2] = LEVEL / LEVEL_SD
    return rows, offset


def _load(names: Sequence[str], utilisation: Mapping[str, float]) -> Any:
    """ln of the idle share, negated and standardised: what a partner finds free halves, not drops.

    Models that are not known stand at the mean.
    """
    import numpy as np

    for name, value in utilisation.items():
        if not 0 <= value <= 1:
            raise ValueError(f"utilisation of {name} is {value}; give it between 0 and 1")
    known = {n: -math.log1p(-min(u, _BUSIEST)) for n, u in utilisation.items()}
    values = np.array(list(known.values()))
    if not len(values) or not values.std() > 0:
        return np.zeros(len(names))
    return np.array([(known.get(n, values.mean()) - values.mean()) / values.std() for n in names])


def _partners(measured: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    partners: dict[str, set[str]] = {}
    for of, beside in measured:
        partners.setdefault(of, set()).add(beside)
        partners.setdefault(beside, set()).add(of)
    return partners
