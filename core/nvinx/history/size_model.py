"""How an amount grows with the size of the input: as a constant, a line or a power. Pure.

The amount is a + b · size^p with b ≥ 0, and p is one of a few. It is fitted to the absolute values
of the errors, so that an odd run decides little, and these are shares of what was expected, since
large needs vary by more. The Bayesian information criterion says which p is worth its parameters.
An upper limit asks all curves that the runs do not speak against, so that it is wide where no such
input was seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 4  # runs from which anything is fitted
BEYOND = 1.5  # times the largest size seen: no typical amount is told further out

_POWERS = (1.0, 1.5, 2.0, 2.5, 3.0)
_ROUNDS = 12
_EXACT = 0.02  # relative errors are never taken as smaller: the next input is another
_STRICT = 2.0  # times the criterion's price: of a few runs many look as if they grew
_SPEAKS_AGAINST = 4.0  # of twice the log-likelihood, between two curves
_MOST = 50.0  # of an exponent: far out of all that was seen, anything may be
_T95 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)  # Student's, one side
_T95_MANY = 1.645


class Curve(Struct, frozen=True):
    """One curve. power: 0 for a constant. spread: the relative error of one run, of its logarithm.

    smallest: the size below which all count as such. centre, width: mean and sum of squares of the
    sizes to the power, from which follows how much is known at another size.
    """

    base: float
    slope: float
    power: float
    spread: float
    runs: int
    smallest: float = 0.0
    centre: float = 0.0
    width: float = 0.0

    def at(self, size: float) -> float:
        return self.base + self.slope * self._grown(size)

    def at_most(self, size: float) -> float:
        """What 95 % of the runs with such an input stay below."""
        far = (self._grown(size) - self.centre) ** 2 / self.width if self.width > 0 else 0.0
        error = self.spread * math.sqrt(1.0 + 1.0 / self.runs + far)
        return self.at(size) * math.exp(min(_t95(self.runs - self.parameters) * error, _MOST))

    @property
    def parameters(self) -> int:
        return {0.0: 1, 1.0: 2}.get(self.power, 3)

    def _grown(self, size: float) -> float:
        return math.pow(max(size, self.smallest), self.power) if self.power else 0.0


class SizeModel(Struct, frozen=True):
    """What past runs say. best: by evidence; plausible: all that may yet be true.

    largest: the largest size that was seen; infinite where sizes play no part.
    """

    best: Curve
    plausible: tuple[Curve, ...]
    largest: float = math.inf

    @property
    def power(self) -> float:
        return self.best.power

    def typical(self, size: float | None) -> float | None:
        """The amount in the middle; None where no size says, or one far from all that was seen."""
        if self.power == 0:
            return self.best.base
        if size is None or size > BEYOND * self.largest:
            return None
        return self.best.at(size)

    def at_most(self, size: float | None) -> float | None:
        """What 95 % of the runs with such an input stay below; None where no size says."""
        if size is None and math.isfinite(self.largest):
            return None
        return max(curve.at_most(size or 0.0) for curve in self.plausible)


def fit(runs: Sequence[tuple[float | None, float]]) -> SizeModel | None:
    """The model behind (size, amount) of past runs; None where there are too few.

    Amounts are above 0. Where a run lacks its size, or all are alike, sizes play no part.
    """
    if len(runs) < FEWEST:
        return None
    sized = [(size, amount) for size, amount in runs if size is not None]
    constant = _constant([amount for _, amount in runs])
    if len(sized) < len(runs) or len({size for size, _ in sized}) == 1:
        return SizeModel(constant, (constant,))
    grown = [_grown(sized, power, constant.base) for power in _POWERS]
    misfits = [_misfit(curve, sized) for curve in grown]
    plausible = [
        curve
        for curve, misfit in zip(grown, misfits, strict=True)
        if misfit - min(misfits) <= _SPEAKS_AGAINST
    ]
    best = min((constant, *grown), key=lambda curve: _criterion(curve, sized))
    return SizeModel(best, tuple(plausible), max(size for size, _ in sized))


def _constant(amounts: Sequence[float]) -> Curve:
    middle = sorted(amounts)[len(amounts) // 2]
    return Curve(middle, 0.0, 0.0, _spread([a / middle for a in amounts], 1), len(amounts))


def _grown(runs: Sequence[tuple[float, float]], power: float, middle: float) -> Curve:
    """The curve of this power; flat where the runs do not grow."""
    sizes = [size for size, _ in runs]
    unit = max(sizes)
    xs, ys = [math.pow(size / unit, power) for size in sizes], [amount for _, amount in runs]
    base, slope = _robust_line(xs, ys)
    if slope <= 0 or base + slope * min(xs) <= 0:
        base, slope = middle, 0.0
    scale, centre = math.pow(unit, power), sum(xs) / len(xs)
    return Curve(
        base=base,
        slope=slope / scale if scale > 0 else 0.0,  # sizes too small for a float
        power=power,
        spread=_spread([y / (base + slope * x) for x, y in zip(xs, ys, strict=True)], 2),
        runs=len(runs),
        smallest=min(sizes),
        centre=centre * scale,
        width=sum((x - centre) ** 2 for x in xs) * scale**2,
    )


def _robust_line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Base and slope with the least sum of relative errors, by least squares again and again."""
    weights = [1.0 / y**2 for y in ys]
    base, slope = _line(xs, ys, weights)
    for _ in range(_ROUNDS):
        fitted = [base + slope * x for x in xs]
        if min(fitted) <= 0:
            break
        errors = [abs(math.log(y / f)) for y, f in zip(ys, fitted, strict=True)]
        weights = [1 / (f**2 * max(e, _EXACT)) for f, e in zip(fitted, errors, strict=True)]
        base, slope = _line(xs, ys, weights)
    return base, slope


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
    return y0 - both / across * x0, both / across


def _spread(ratios: Sequence[float], parameters: int) -> float:
    """The relative error of one run, from the mean absolute one, which odd runs pull less."""
    left = max(len(ratios) - parameters, 1)
    mean = sum(abs(math.log(ratio)) for ratio in ratios) / left
    return max(mean * math.sqrt(math.pi / 2), _EXACT)


def _misfit(curve: Curve, runs: Sequence[tuple[float, float]]) -> float:
    """Twice the negative log-likelihood, less what is the same for all: errors are Laplace's."""
    mean = sum(abs(math.log(amount / curve.at(size))) for size, amount in runs) / len(runs)
    return 2 * len(runs) * math.log(max(mean, _EXACT))


def _criterion(curve: Curve, runs: Sequence[tuple[float, float]]) -> float:
    """The smaller, the better: the misfit, and a price for parameters."""
    return _misfit(curve, runs) + _STRICT * curve.parameters * math.log(len(runs))


def _t95(freedom: int) -> float:
    if freedom < 1:
        return _T95[0]
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    return _T95_MANY * (1.0 + 1.0 / freedom)
