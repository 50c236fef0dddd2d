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
    extras.require(*NEEDS)
    import matplotlib.style
    import numpy as np
    from matplotlib.figure import Figure

    cells = [[model.predict(of, [beside]) for beside in names] for of in names]
    values = np.array([[cell.slowdown for cell in row] for row in cells])
    size = max(4.0, _CELL_IN * len(names))
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(size + 2.2, size + 1.2), layout="constrained")
        axes = figure.add_subplot()
        top = max(2.0, float(values.max()))
        image = axes.imshow(values, cmap="YlOrRd", vmin=1.0, vmax=top)
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("beside")
        axes.set_ylabel("slowdown of")
        axes.set_title(_title(model))
        for at, row in enumerate(cells):
            for across, cell in enumerate(row):
                bold = "bold" if cell.source == "measured" else "normal"
                dark = cell.slowdown - 1 > _DARK * (top - 1)
                ink = "white" if dark else "black"
                text: dict[str, Any] = {"ha": "center", "va": "center", "weight": bold}
                axes.text(across, at, f"{cell.slowdown:.2f}", color=ink, fontsize=9, **text)
        figure.colorbar(image, ax=axes, shrink=0.8, label="time beside / time alone")
        figure.savefig(path, dpi=130)


def _title(model: SlowdownModel) -> str:
    where = model.provenance
    about = ", ".join(part for part in (where.card, where.sharing) if part)
    return f"Who slows whom{': ' + about if about else ''}\nbold: measured, plain: predicted"
