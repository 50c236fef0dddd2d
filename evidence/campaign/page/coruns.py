"""The section on who slows whom."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from campaign.coruns import SLICE, SLICE_MIB, SLICE_SMS
from campaign.markdown import figure, table
from campaign.slowdowns import crowd_errors, errors, mean_crowd_error, noise, ways

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from campaign.records import Line
    from campaign.slowdowns import Way


def section(lines: Sequence[Line], card: str | None, pictures: Path) -> str:
    """Markdown; draws a heat map for each way to share into the folder `pictures`."""
    found = ways(lines)
    head = "## Slowdowns\n\n"
    if not any(way.coruns for way in found.values()):
        return head + "Not measured yet.\n"
    text = (
        "Slowdown is the rate alone over the rate beside others, in the same session. Predictions "
        "are of each pair from all others.\n\n"
    )
    parts = [_of(name, way, card, pictures) for name, way in found.items() if way.coruns]
    return head + text + "\n".join(parts)


def place(name: str, card: str | None) -> str:
    """Where programs shared; a slice is never called a card of its size."""
    where = card or "one CPU core, no card"
    if name == SLICE:
        return f"slice of {SLICE_SMS} multiprocessors and {SLICE_MIB} MiB a program of {where}"
    return where


def _of(name: str, way: Way, card: str | None, pictures: Path) -> str:
    from nvinx.calibration.picture import heat_map
    from nvinx.interference.slowdown import Provenance

    where = place(name, card)
    picture = pictures / f"corun-{'cpu' if card is None else 'card'}-{name}.svg"
    pictures.mkdir(parents=True, exist_ok=True)
    heat_map(way.model(Provenance(where, sharing=name)), list(way.solo), picture)
    shown = f"![slowdowns]({pictures.name}/{picture.name})\n"
    pieces = [f"### {name.capitalize()}: {where}\n", shown, _alone(way), _errors(way), _crowds(way)]
    return "\n".join([*pieces, _noise(way), _warnings(way.warnings)])


def _alone(way: Way) -> str:
    rows = [
        [name, figure(rate, 2), figure(_percent(way.utilisation.get(name)), 0, " %")]
        for name, rate in way.solo.items()
    ]
    return table(("program", "alone, per second", "busy alone"), rows)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _errors(way: Way) -> str:
    rows = [
        [name, figure(s.mean_pct), figure(s.median_pct), figure(s.p90_pct)]
        for name, s in errors(way).items()
    ]
    if not rows:
        return "Too few pairs to say how well unmeasured ones are predicted.\n"
    head = (f"error in %, {len(way.coruns)} pairs", "mean", "median", "p90")
    return table(head, rows)


def _crowds(way: Way) -> str:
    rows = [
        [", ".join(crowd), _values(crowd.values()), _values(said.values())]
        for crowd, said in crowd_errors(way)
    ]
    if not rows:
        return "No three programs were measured together.\n"
    error = _percent(mean_crowd_error(way))
    text = f"\nPredictions from pairs have an error of {figure(error)} % on average.\n"
    return table(("three together", "measured", "from pairs"), rows) + text


def _values(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _noise(way: Way) -> str:
    apart = [100 * each for each in noise(way)]
    if not apart:
        return "No pair was measured twice, so the noise floor is not known.\n"
    median, worst = statistics.median(apart), max(apart)
    found = f"{median:.1f} % apart (median; at most {worst:.1f} %)"
    return f"Noise floor: {len(apart)} slowdowns measured again were {found}.\n"


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return "To distrust:\n\n" + "".join(f"* {warning}.\n" for warning in warnings[:10])
