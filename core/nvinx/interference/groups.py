"""Three and more programs measured together, and which exponent of `p_norm` they show. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nvinx.interference.p_norm import EXPONENT, combined, error_sd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LEAST, MOST = 1.0, 4.0
EXPONENT_SD = 0.5  # of what cards are believed to differ by
MEASURED_SD = 0.05  # of ln slowdown: its own noise, and that of the pairs behind it
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_SHARP = 1e-3
_FEWEST = 2  # programs that meet


@dataclass(frozen=True, slots=True)
class GroupRun:
    """Programs measured side by side: solo rate over co-run rate of each, in the order of `models`.

    Raises ValueError unless there are two at least, as many slowdowns, all positive and finite.
    """

    models: tuple[str, ...]
    slowdowns: tuple[float, ...]

    def __post_init__(self) -> None:
        shown = " + ".join(self.models)
        if len(self.models) < _FEWEST or len(self.models) != len(self.slowdowns):
            problem = f"{len(self.models)} programs with {len(self.slowdowns)} slowdowns"
            raise ValueError(f"group {shown}: {problem}; name two at least, one for each")
        for value in self.slowdowns:
            if not 0 < value < math.inf:
                raise ValueError(f"group {shown}: a slowdown is {value}; it is a positive number")

    @property
    def directed(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Each side as (who suffers, beside whom in order of names, slowdown)."""
        for k, (model, slowdown) in enumerate(zip(self.models, self.slowdowns, strict=True)):
            yield model, tuple(sorted((*self.models[:k], *self.models[k + 1 :]))), slowdown


class Seen(NamedTuple):
    """A slowdown beside several partners, the excess slowdown beside each, and ln's error."""

    slowdown: float
    excesses: tuple[float, ...]
    sd: float = MEASURED_SD


def fitted_exponent(seen: Iterable[Seen]) -> float:
    """The most probable exponent, drawn to the usual one where little was seen."""
    listed = [each for each in seen if sum(max(e, 0.0) for e in each.excesses) > 0]

    def misfit(exponent: float) -> float:
        return ((exponent - EXPONENT) / EXPONENT_SD) ** 2 + sum(
            _misfit(each, exponent) for each in listed
        )

    return _least(misfit, LEAST, MOST)


def _misfit(seen: Seen, exponent: float) -> float:
    error = math.log(seen.slowdown / combined(seen.excesses, exponent))
    return error**2 / (seen.sd**2 + error_sd(seen.excesses) ** 2)


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where it is smallest, by golden sections: it has but one valley here."""
    while high - low > _SHARP:
        one, other = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if function(one) < function(other):
            high = other
        else:
            low = one
    return (low + high) / 2.0
