"""The lanes of one run, or of several below each other, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.host import extras
from nvinx.runs import lanes, looks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nvinx.runs.lanes import Span
    from nvinx.runs.read import Ran

NEEDS = ("matplotlib", "report", "a picture of the lanes")
_LANE_IN, _WIDTH_IN, _AROUND_IN = 0.34, 10.0, 0.75
_TALLEST_IN = 40.0
_LETTERS = 140  # in a bar that is as long as the picture is wide
_FEWEST = 3


def draw(jobs: Sequence[Ran], path: Path) -> None:
    """Draw each card's and the CPU's lanes over time, one bar a job, coloured as in the report."""
    draw_several({"": jobs}, path)


def draw_several(runs: Mapping[str, Sequence[Ran]], path: Path) -> None:
    """Draw runs below each other on one axis of time. runs: by their titles.

    The suffix of the path (.png, .svg, .pdf) says which kind of picture.
    """
    extras.require(*NEEDS)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = {title: _rows(jobs) for title, jobs in runs.items()}
    heights = [_LANE_IN * (len(found) + 1) + _AROUND_IN for found in rows.values()]
    with mpl.rc_context({"svg.hashsalt": "nvinx", "svg.fonttype": "none"}):
        size = (_WIDTH_IN, min(sum(heights) + 0.4, _TALLEST_IN))
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(len(rows), 1, sharex=True, height_ratios=heights, squeeze=False)
        spans = [span for found in rows.values() for _, row in found for span in row]
        end_s = max((span.end_s for span in spans), default=1.0)
        for axes, (title, found) in zip(every[:, 0], rows.items(), strict=True):
            _panel(axes, title, found, list(runs[title]), end_s)
        every[-1, 0].set_xlabel("seconds")
        _legend(figure, [span.job for span in spans])
        figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _rows(jobs: Sequence[Ran]) -> list[tuple[str, list[Span]]]:
    placed = lanes.lanes(jobs)
    return [
        (place if number == 0 else "", row)
        for place, several in placed.items()
        for number, row in enumerate(several)
    ]


def _panel(
    axes: Any, title: str, rows: list[tuple[str, list[Span]]], jobs: list[Ran], end_s: float
) -> None:
    for height, (_, row) in enumerate(rows):
        for span in row:
            _bar(axes, height, span, end_s)
    _waiting(axes, len(rows), jobs, end_s)
    places = [(height, place) for height, (place, _) in enumerate(rows) if place]
    ticks = [*places, (len(rows), "waiting")]
    axes.set_yticks([height for height, _ in ticks], [place for _, place in ticks])
    axes.invert_yaxis()
    axes.set_xlim(0, end_s)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if title:
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _bar(axes: Any, height: int, span: Span, end_s: float) -> None:
    length = span.end_s - span.start_s
    axes.barh(
        height,
        length,
        left=span.start_s,
        height=0.82,
        color=looks.COLOURS[looks.residency(span.job)],
        edgecolor=looks.FAILED if span.job.ok is False else "white",
    )
    label = _fitting(span.name, int(_LETTERS * length / end_s))
    middle = span.start_s + length / 2
    axes.text(middle, height, label, ha="center", va="center", fontsize=7, color="white")


def _waiting(axes: Any, height: int, jobs: list[Ran], end_s: float) -> None:
    """How many jobs wait at each moment, as a band below the lanes."""
    times, counts = looks.waiting(jobs)
    most = max(counts, default=0)
    if not most:
        return
    low = height + 0.45
    tops = [low - 0.85 * count / most for count in (*counts, counts[-1])]
    colours = {"color": looks.INK, "alpha": 0.45, "linewidth": 0}
    axes.fill_between([*times, end_s], low, tops, step="post", **colours)
    axes.text(end_s, low, f"at most {most} ", ha="right", va="bottom", fontsize=7, color=looks.INK)


def _legend(figure: Any, jobs: Sequence[Ran]) -> None:
    """The colours that are there, above everything."""
    from matplotlib.patches import Patch

    there = {looks.residency(job) for job in jobs}
    shown = [
        Patch(color=colour, label=looks.NAMES[kind])
        for kind, colour in looks.COLOURS.items()
        if kind in there
    ]
    if shown:
        figure.legend(handles=shown, loc="outside upper left", ncols=4, frameon=False, fontsize=8)


def _fitting(name: str, letters: int) -> str:
    """As much of the name as fits, or nothing."""
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters >= _FEWEST else ""
