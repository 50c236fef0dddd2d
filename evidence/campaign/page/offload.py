"""The section on models that are partly off the card."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from campaign.markdown import figure, table
from campaign.page.kept import data, why_not
from nvinx.overflow.bandwidth import Bandwidth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from campaign.records import Line

_SHARE, _LOAD, _WHOLE = "offload/share/", "offload/load/", "offload/share/0.0"
_WORK = (("prefill", "prefill_s"), ("token", "token_s"))
NO_BUS = 1e15  # without a card nothing crosses a bus


def section(kept: Mapping[str, Line]) -> str:
    """Markdown; what is predicted is what nvinx would tell with the bandwidths of this session."""
    head = "## A part of the model off the card\n\n"
    rows = [
        [
            f"{share:.0%}, {work}",
            *(figure(1000 * x, 1) for x in (whole, took, said)),
            figure(said / (took - whole), 2) if took > whole else "?",
        ]
        for share, work, whole, took, said in compared(kept)
    ]
    if not rows:
        return head + f"{why_not(kept, _WHOLE).capitalize()}.\n"
    titles = ("off the card", "whole, ms", "split, ms", "added, predicted", "predicted / added")
    return head + table(titles, rows) + "\n" + _loads(kept)


def compared(kept: Mapping[str, Line]) -> Iterator[tuple[float, str, float, float, float]]:
    """(share, work, seconds of the whole model, seconds split, seconds added as predicted)."""
    whole = data(kept, _WHOLE)
    speeds = bandwidth(kept)
    for key in kept:
        told = data(kept, key)
        if key.startswith(_SHARE) and whole and told.get("planned"):
            planned = told["planned"]
            off = planned["cpu"] if told["tiers"] == "card, RAM" else 0
            said = (off + planned["disk"]) / speeds.bus + planned["disk"] / speeds.disk
            for work, name in _WORK:
                base, took = (statistics.median(each[name]) for each in (whole, told))
                yield told["share"], work, base, took, said


def bandwidth(kept: Mapping[str, Line]) -> Bandwidth:
    """As measured in the last session, else as nvinx assumes."""
    found: dict[str, Any] = {}
    for key in kept:
        if key.startswith("offload/bandwidth/"):
            found = data(kept, key) or found
    without = NO_BUS if found else Bandwidth().bus
    return Bandwidth(bus=found.get("bus", without), disk=found.get("disk", Bandwidth().disk))


def _loads(kept: Mapping[str, Line]) -> str:
    rows = [
        [told["how"], figure(told["bytes"] / 1e6, 0), figure(told["load_s"], 2)]
        for key in kept
        if key.startswith(_LOAD) and (told := data(kept, key))
    ]
    if not rows:
        return ""
    return "### Loading it whole\n\n" + table(("from the disk", "MB", "seconds"), rows)
