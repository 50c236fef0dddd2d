"""The lanes of a run as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.host import extras

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nvinx.runs.read import Ran

NEEDS = ("matplotlib", "report", "a picture of the lanes")
_LANE_IN, _WIDTH_IN = 0.42, 10.0
_LETTERS = 150  # in a bar that is as long as the picture is wide
_FEWEST = 3


def draw(jobs: Sequence[Ran], path: Path) -> None:
    """Draw each card's and the CPU's lanes over time, one bar a job, one colour a model or rule."""
    extras.require(*NEEDS)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from nvinx.runs import lanes

    placed = lanes.lanes(jobs)
    rows = [(place, row) for place, several in placed.items() for row in several]
    end_s = max((span.end_s for _, row in rows for span in row), default=1.0)
    figure = Figure(figsize=(_WIDTH_IN, 1.2 + _LANE_IN * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    colours = mpl.colormaps["tab20"]
    kinds: dict[str, int] = {}
    for height, (_, row) in enumerate(rows):
        for span in row:
            kind = span.name.split("[")[0].rstrip("0123456789_")
            colour = colours(kinds.setdefault(kind, len(kinds)) % colours.N)
            length = span.end_s - span.start_s
            axes.barh(height, length, left=span.start_s, color=colour, edgecolor="white")
            label = _fitting(span.name, int(_LETTERS * length / end_s))
            middle = span.start_s + length / 2
            axes.text(middle, height, label, ha="center", va="center", fontsize=7)
    axes.set_yticks(range(len(rows)), [place for place, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, end_s)
    axes.set_xlabel("seconds")
    figure.savefig(path, dpi=130)


def _fitting(name: str, letters: int) -> str:
    """As much of the name as fits, or nothing."""
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters >= _FEWEST else ""
