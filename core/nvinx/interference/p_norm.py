"""How the slowdowns beside several partners combine, from that beside each of them. Pure.

Several partners cost more than the sum of what each costs alone. For k equal programs on a card,
public measurements follow s_k^p = 1 + (k^p - 1) (s_2^p - 1) / (2^p - 1), with p a little above 2;
p = 1 would add the excesses up. Partners that are not alike count as the number of equal ones that
has the same sum and the same sum of squares, so that a harmless partner changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

EXPONENT = 2.2

# How far ln slowdown errs for each partner beyond the first: much where each takes little of the
# card, as nobody knows when it is full; little where it is full with two.
_ERROR_SD = 0.06
_FULL = 0.3


def combined(excesses: Iterable[float], exponent: float = EXPONENT) -> float:
    """The slowdown beside several partners, from the excess slowdown beside each of them alone."""
    costs = [max(excess, 0.0) for excess in excesses]
    total = sum(costs)
    squares = sum(cost**2 for cost in costs)
    return float(slowdown(total, squares, exponent)) if total > 0 else 1.0


def told(exponent: float) -> str:
    """The exponent in a sentence."""
    found = f"{exponent:.1f} (usual is {EXPONENT:g}; 1 would add them up)"
    return f"Costs of several partners combine with the exponent {found}."


def slowdown(total: Any, squares: Any, exponent: float = EXPONENT) -> Any:
    """The same from the sum of the excesses, above 0, and of their squares; or arrays of these."""
    number, each = total**2 / squares, squares / total
    grown = ((1 + number) ** exponent - 1) / (2.0**exponent - 1)
    return (1 + grown * ((1 + each) ** exponent - 1)) ** (1 / exponent)


def slopes(total: Any, squares: Any, exponent: float = EXPONENT) -> tuple[Any, Any]:
    """The derivatives of `slowdown` by its first two arguments."""
    number, each, scale = total**2 / squares, squares / total, 2.0**exponent - 1
    grown, worse = ((1 + number) ** exponent - 1) / scale, (1 + each) ** exponent - 1
    by_number = exponent * (1 + number) ** (exponent - 1) / scale * worse
    by_each = grown * exponent * (1 + each) ** (exponent - 1)
    outer = (1 + grown * worse) ** (1 / exponent - 1) / exponent
    by_total = by_number * 2 * total / squares - by_each * squares / total**2
    by_squares = by_each / total - by_number * total**2 / squares**2
    return outer * by_total, outer * by_squares


def error_sd(excesses: Iterable[float]) -> float:
    """How far ln `combined` is off, as standard deviation, were the excesses themselves exact."""
    costs = [max(excess, 0.0) for excess in excesses]
    total, number, each = sum(costs), float(len(costs)), 0.0
    if total > 0:
        squares = sum(cost**2 for cost in costs)
        number, each = total**2 / squares, squares / total
    return _ERROR_SD * max(number - 1.0, 0.0) * (_FULL + max(1.0 - each, 0.0))
