"""How an amount grows with the size of the input: as a constant, a line or a power. Pure.

The amount is a + b · size^p with b ≥ 0, and p is one of a few. It is fitted to the absolute values
of the errors, so that an odd run decides little, and these are shares of what was expected, since
large needs vary by more. The Bayesian information criterion says which p is worth its parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 4  # runs from which anything is fitted
BEYOND = 1.5  # times the largest size seen: nothing is said further out

_POWERS = (1.0, 1.5, 2.0, 2.5, 3.0)
_ROUNDS = 12
_EXACT = 0.02  # relative errors are never taken as smaller: the next input is another
_STRICT = 2.0  # times the criterion's price: of a few runs many look as if they grew
_T95 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)  # Student's, one side
_T95_MANY = 1.645


@dataclass(frozen=True, slots=True)
class SizeModel:
    """What was fitted. spread: the relative error of one run, as a standard deviation of its log.

    power: 0 for a constant. smallest, largest: the sizes that were seen.
    """

    base: float
    slope: float
    power: float
    spread: float
    runs: int
    smallest: float
    largest: float
    centre: float = 0.0
    width: float = 0.0

    def typical(self, size: float | None) -> float | None:
        """The amount in the middle; None where no size says, or one far from all that was seen.

        Smaller inputs than any that was seen count as the smallest.
        """
        if self.power == 0:
            return self.base
        if size is None or size > BEYOND * self.largest:
            return None
        return self.base + self.slope * math.pow(max(size, self.smallest), self.power)

    def at_most(self, size: float | None) -> float | None:
        """What 95 % of the runs with such an input stay below; None as above."""
        middle = self.typical(size)
        if middle is None:
            return None
        far = self._distance(size)
        return middle * math.exp(_t95(self._freedom) * self.spread * math.sqrt(1.0 + far))

    @property
    def _freedom(self) -> int:
        return self.runs - _parameters(self.power)

    def _distance(self, size: float | None) -> float:
        """By how much less is known at this size, as a share of a run's own variance."""
        if self.power == 0 or size is None or self.width == 0:
            return 1.0 / self.runs
        x = math.pow(max(size, self.smallest), self.power)
        return 1.0 / self.runs + (x - self.centre) ** 2 / self.width


def fit(runs: Sequence[tuple[float | None, float]]) -> SizeModel | None:
    """The model behind (size, amount) of past runs; None where there are too few.

    Amounts are above 0. Runs without a size tell of a constant only.
    """
    if len(runs) < FEWEST:
        return None
    sized = [(size, amount) for size, amount in runs if size is not None]
    constant = _constant([amount for _, amount in runs])
    if len(sized) < len(runs) or len({size for size, _ in sized}) < FEWEST - 1:
        return constant
    grown = [_grown(sized, power) for power in _POWERS]
    models = [constant, *(model for model in grown if model is not None)]
    return min(models, key=lambda model: _criterion(model, sized))


def _constant(amounts: Sequence[float]) -> SizeModel:
    middle = sorted(amounts)[len(amounts) // 2]
    spread = _spread([amount / middle for amount in amounts], 1)
    return SizeModel(middle, 0.0, 0.0, spread, len(amounts), 0.0, math.inf)


def _grown(runs: Sequence[tuple[float, float]], power: float) -> SizeModel | None:
    """A model that grows with this power; None where the runs do not."""
    sizes = [size for size, _ in runs]
    unit = max(sizes) or 1.0
    xs, ys = [(size / unit) ** power for size in sizes], [amount for _, amount in runs]
    weights = [1.0 / y**2 for y in ys]
    base, slope = _line(xs, ys, weights)
    for _ in range(_ROUNDS):
        fitted = [base + slope * x for x in xs]
        if min(fitted) <= 0:
            return None
        errors = (abs(math.log(y / f)) for y, f in zip(ys, fitted, strict=True))
        weights = [
            1.0 / (f**2 * max(error, _EXACT)) for f, error in zip(fitted, errors, strict=True)
        ]
        base, slope = _line(xs, ys, weights)
    if slope <= 0 or base + slope * min(xs) <= 0:
        return None
    ratios = [y / (base + slope * x) for x, y in zip(xs, ys, strict=True)]
    centre = sum(xs) / len(xs)
    return SizeModel(
        base,
        slope / unit**power,
        power,
        _spread(ratios, _parameters(power)),
        len(runs),
        min(sizes),
        max(sizes),
        centre * unit**power,
        sum((x - centre) ** 2 for x in xs) * unit ** (2 * power),
    )


def _line(
    xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]
) -> tuple[float, float]:
    """Base and slope of the weighted least squares line."""
    total = sum(weights)
    x0 = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y0 = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    across = sum(w * (x - x0) ** 2 for w, x in zip(weights, xs, strict=True))
    if across <= 0:
        return y0, 0.0
    both = sum(w * (x - x0) * (y - y0) for w, x, y in zip(weights, xs, ys, strict=True))
    slope = both / across
    return y0 - slope * x0, slope


def _spread(ratios: Sequence[float], parameters: int) -> float:
    """The relative error of one run, from the mean absolute one, which odd runs pull less."""
    left = max(len(ratios) - parameters, 1)
    mean = sum(abs(math.log(ratio)) for ratio in ratios) / left
    return max(mean * math.sqrt(math.pi / 2), _EXACT)


def _criterion(model: SizeModel, runs: Sequence[tuple[float, float]]) -> float:
    """The smaller, the better: errors of Laplace's distribution, and a price for parameters."""
    fitted = (model.typical(size) or 1.0 for size, _ in runs)
    errors = [abs(math.log(amount / f)) for (_, amount), f in zip(runs, fitted, strict=True)]
    mean = max(sum(errors) / len(errors), _EXACT)
    price = _STRICT * _parameters(model.power) * math.log(len(runs))
    return 2 * len(runs) * math.log(mean) + price


def _parameters(power: float) -> int:
    return {0.0: 1, 1.0: 2}.get(power, 3)


def _t95(freedom: int) -> float:
    if freedom < 1:
        return _T95[0]
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    return _T95_MANY * (1.0 + 1.0 / freedom)
