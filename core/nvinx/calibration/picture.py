"""The heat map of who slows whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.host import extras

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nvinx.interference.slowdown import SlowdownModel

NEEDS = ("matplotlib", "calibrate", "the picture of a calibration")
_CELL_IN = 0.62
_DARK = 0.7  # of the scale, from where white is read more easily than black


def heat_map(model: SlowdownModel, names: Sequence[str], path: Path) -> None:
    """Draw the slowdown of each model (row) beside each other one (column) as a PNG.

    Measured pairs are in bold, predicted ones in plain.
    """
    cells = [[model.predict(of, [beside]) for beside in names] for of in names]
    shown = [[(cell.slowdown, cell.source == "measured") for cell in row] for row in cells]
    draw(shown, names, _title(model), path)


def draw(
    cells: Sequence[Sequence[tuple[float, bool]]], names: Sequence[str], title: str, path: Path
) -> None:
    """Draw slowdowns as a PNG. cells: by who suffers and beside whom, and whether it is in bold."""
    extras.require(*NEEDS)
    import matplotlib.style
    from matplotlib.figure import Figure

    top = max(2.0, *(value for row in cells for value, _ in row))
    size = max(4.0, _CELL_IN * len(names))
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(size + 2.2, size + 1.2), layout="constrained")
        axes = figure.add_subplot()
        values = [[value for value, _ in row] for row in cells]
        image = axes.imshow(values, cmap="YlOrRd", vmin=1.0, vmax=top)
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("beside")
        axes.set_ylabel("slowdown of")
        axes.set_title(title)
        for at, row in enumerate(cells):
            for across, cell in enumerate(row):
                _write(axes, at, across, cell, top)
        figure.colorbar(image, ax=axes, shrink=0.8, label="time when sharing / time alone")
        figure.savefig(path, dpi=130)


def _write(axes: Any, at: int, across: int, cell: tuple[float, bool], top: float) -> None:
    value, is_bold = cell
    axes.text(
        across,
        at,
        f"{value:.2f}",
        color="white" if value - 1 > _DARK * (top - 1) else "black",
        fontsize=9,
        ha="center",
        va="center",
        weight="bold" if is_bold else "normal",
    )


def _title(model: SlowdownModel) -> str:
    where = model.provenance
    about = ", ".join(part for part in (where.card, where.sharing) if part)
    return f"Slowdowns{': ' + about if about else ''}\nbold: measured, plain: predicted"
