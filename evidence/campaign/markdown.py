"""Tables and figures as a page writes them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def figure(value: float | None, places: int = 1, unit: str = "") -> str:
    """A number, or a question mark for one that is not known."""
    return "?" if value is None else f"{value:.{places}f}{unit}"


def middle(values: Sequence[float]) -> str:
    """The median, and the range where there are several."""
    if len(values) < 2:
        return figure(values[0], 2) if values else "?"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
