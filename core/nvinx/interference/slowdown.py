"""Who slows whom on a shared card: the default model, as plain data. Pure, and without numpy.

The slowdown of i beside j is 1 + S_i * P_j: how much i suffers times how much j hurts. How several
partners combine is in `p_norm`. `nvinx.calibration.fit_slowdown_model` finds S and P.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from nvinx.interference.p_norm import EXPONENT, combined, error_sd, slopes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Source = Literal["measured", "predicted", "unknown"]

# What is believed of a model before any co-run of it, and of any model in the fit: the standard
# deviations of ln S and ln P around their mean, and their correlation. A model of long kernels
# hurts much and suffers little, hence the sign.
SUFFERS_SD = 0.4
HURTS_SD = 0.7
CORRELATION = -0.5
LEVEL, LEVEL_SD = -0.5, 2.0  # ln excess of an average pair, before any was seen

MEASURED_SD = 0.03  # isolated rates of two campaigns on one card differ by 2 to 5 %
_Z90 = 1.6448536269514722  # half a 90 % interval, in standard deviations


@dataclass(frozen=True, slots=True)
class CoRun:
    """Two programs measured side by side: solo rate over co-run rate, for each of them.

    A slowdown of 1.0 means undisturbed; `slowdown_b` is None where only `a` was timed. `a` and `b`
    may be the same model: twins. Raises ValueError unless the slowdowns are positive and finite.
    """

    a: str
    b: str
    slowdown_a: float
    slowdown_b: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("slowdown_a", self.slowdown_a), ("slowdown_b", self.slowdown_b)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(
                    f"co-run {self.a} + {self.b}: {name} is {value}; it is solo rate over co-run "
                    "rate, a positive number such as 1.3"
                )

    @property
    def directed(self) -> tuple[tuple[str, str, float], ...]:
        """Each side as (who suffers, beside whom, slowdown)."""
        one = (self.a, self.b, self.slowdown_a)
        return (one,) if self.slowdown_b is None else (one, (self.b, self.a, self.slowdown_b))


@dataclass(frozen=True, slots=True)
class Prediction:
    """A slowdown and its 90 % interval; `source` says how it is known.

    `measured`: just these were run together. `predicted`: from other co-runs of all of them.
    `unknown`: one of the models was never run beside another.
    """

    slowdown: float
    low: float
    high: float
    source: Source


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the co-runs were measured; None where nobody wrote it down.

    date: ISO 8601. sharing: `time-slicing`, `mps` or `mig`, or `one core` without a GPU.
    """

    card: str | None = None
    driver: str | None = None
    date: str | None = None
    sharing: str | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """One model: ln of how much it suffers and hurts, and in how many co-runs that was seen."""

    suffers: float
    hurts: float
    co_runs: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The slowdown of one model beside one other, the geometric mean of `repeats` co-runs."""

    slowdown: float
    repeats: int = 1


ALONE = Prediction(1.0, 1.0, 1.0, "measured")
_STRANGER = Trait(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class SlowdownModel:
    """Predicts slowdowns for the card of `provenance`. Plain data, in natural logarithms.

    level: ln of the excess slowdown of an average model beside an average one. noise: standard
    deviation of ln slowdown around the model. covariance: of (level, suffers of each model, hurts
    of each model), in the order of `traits`. measured: by (who suffers, beside whom). exponent: of
    `p_norm`, for several partners. groups: those that were measured together, by (who suffers,
    beside whom in order of names).
    """

    level: float
    noise: float
    traits: Mapping[str, Trait]
    covariance: tuple[tuple[float, ...], ...]
    measured: Mapping[tuple[str, str], Measured] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    exponent: float = EXPONENT
    groups: Mapping[tuple[str, tuple[str, ...]], Measured] = field(default_factory=dict)
    _row: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_row", {name: 1 + k for k, name in enumerate(self.traits)})

    def predict(self, model: str, partners: Sequence[str]) -> Prediction:
        """The slowdown of `model` beside `partners`, with what is known and how well.

        Raises TypeError when `partners` is one name instead of a list of names.
        """
        if isinstance(partners, str):
            raise TypeError(f"partners is a list of names; write [{partners!r}]")
        if not partners:
            return ALONE
        known = self._together(model, partners)
        if known is not None:
            sd = MEASURED_SD / math.sqrt(known.repeats)
            return _prediction(known.slowdown, sd, "measured")
        sides = [self._side(model, partner, n) for partner, n in Counter(partners).items()]
        excesses = [side.excess for side in sides for _ in range(side.number)]
        slowdown = combined(excesses, self.exponent)
        variance = self._variance(model, sides, _weights(sides, self.exponent))
        sd = math.sqrt(variance / slowdown**2 + error_sd(excesses) ** 2)
        return _prediction(slowdown, sd, self._source(model, sides))

    def throughput(self, models: Sequence[str]) -> float:
        """Predicted work per time of these models together, in units of one model alone."""
        rest = [[*models[:k], *models[k + 1 :]] for k in range(len(models))]
        return sum(1.0 / self.predict(m, rest[k]).slowdown for k, m in enumerate(models))

    def _together(self, model: str, partners: Sequence[str]) -> Measured | None:
        """What was measured of just this company."""
        if len(partners) == 1:
            return self.measured.get((model, partners[0]))
        return self.groups.get((model, tuple(sorted(partners))))

    def _side(self, model: str, partner: str, number: int) -> _Side:
        seen = self.measured.get((model, partner))
        if seen is not None:
            return _Side(partner, number, seen.slowdown - 1.0, seen.repeats)
        factors = self._trait(model).suffers + self._trait(partner).hurts
        return _Side(partner, number, math.exp(self.level + factors), 0)

    def _source(self, model: str, sides: Sequence[_Side]) -> Source:
        fresh = [side.partner for side in sides if not side.repeats]
        strange = fresh and any(self._trait(name).co_runs == 0 for name in (model, *fresh))
        return "unknown" if strange else "predicted"

    def _trait(self, name: str) -> Trait:
        return self.traits.get(name, _STRANGER)

    def _variance(self, model: str, sides: Sequence[_Side], weights: Sequence[float]) -> float:
        """Of the slowdown: what is unsure of each pair, by how much the slowdown grows with it."""
        variance = 0.0
        terms: dict[str, float] = {}
        for side, weight in zip(sides, weights, strict=True):
            if side.repeats:
                variance += (weight * MEASURED_SD * (1.0 + side.excess)) ** 2 / side.repeats
            else:
                variance += (weight * self.noise * (1.0 + side.excess)) ** 2
                terms[side.partner] = weight * side.excess
        return variance + self._factors_variance(model, terms)

    def _factors_variance(self, model: str, terms: Mapping[str, float]) -> float:
        """What is unsure of the factors. terms: the excess of each partner that was not measured.

        The gradient of their sum: by the level and by what the model suffers it is the sum, by what
        each partner hurts it is that partner's term.
        """
        total, row, models = sum(terms.values()), self._row, len(self.traits)
        gradient = [(0, total)]
        variance = 0.0
        if model in row:
            gradient.append((row[model], total))
        else:
            variance += (total * SUFFERS_SD) ** 2
        for partner, term in terms.items():
            if partner in row:
                gradient.append((row[partner] + models, term))
            else:
                variance += (term * HURTS_SD) ** 2
        for k, slope in gradient if terms else ():
            entries = self.covariance[k]
            variance += slope * sum(entries[at] * other for at, other in gradient)
        return variance


class _Side(NamedTuple):
    """So many of one partner; the excess slowdown beside one. repeats: measurements behind it."""

    partner: str
    number: int
    excess: float
    repeats: int


def _weights(sides: Sequence[_Side], exponent: float) -> list[float]:
    """By how much the slowdown beside all grows with the excess beside each partner."""
    costs = [max(side.excess, 0.0) for side in sides]
    total = sum(side.number * cost for side, cost in zip(sides, costs, strict=True))
    if total <= 0:
        return [float(side.number) for side in sides]
    squares = sum(side.number * cost**2 for side, cost in zip(sides, costs, strict=True))
    by_total, by_squares = slopes(total, squares, exponent)
    return [
        side.number * (by_total + 2.0 * cost * by_squares)
        for side, cost in zip(sides, costs, strict=True)
    ]


def _prediction(slowdown: float, sd: float, source: Source) -> Prediction:
    """With its interval. sd: of ln slowdown."""
    reach = math.exp(_Z90 * sd)
    return Prediction(slowdown, slowdown / reach, slowdown * reach, source)
