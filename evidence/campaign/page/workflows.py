"""The section on workflows."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from campaign.markdown import figure, middle, table
from campaign.page.kept import data, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaign.records import Line

SETS = ("cool", "hot")
JOBS = 11


def section(kept: Mapping[str, Line]) -> str:
    head = "## Workflows\n\n"
    rows = []
    for (kind, name), rounds in runs(kept).items():
        spans = [each["span_s"] for each in rounds]
        busy = [each["busy"] for each in rounds if each["busy"] is not None]
        share = f"{statistics.fmean(busy):.0%}" if busy else "?"
        done = min(each["jobs"] for each in rounds)
        rows.append([f"{kind}, {name}", middle(spans), f"{done} of {JOBS}", share])
    if not rows:
        return head + f"{why_not(kept, 'workflows/rates').capitalize()}.\n"
    text = "Seconds from the first start to the last end of eleven jobs; the card's busy share.\n\n"
    titles = ("contended card", "span, s", "jobs done", "card busy")
    return head + text + table(titles, rows) + "\n" + _example(kept)


def runs(kept: Mapping[str, Line]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rounds of each set and contender."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for key in kept:
        _part, *words = key.split("/")
        if key.startswith("workflows/") and words[0] in SETS and (told := data(kept, key)):
            found[words[0], words[1]].append(told)
    return dict(found)


def span_s(kept: Mapping[str, Line], kind: str, name: str) -> float | None:
    """The median span; None where it was not run, or lost a job."""
    rounds = runs(kept).get((kind, name), [])
    if not rounds or any(each["jobs"] < JOBS for each in rounds):
        return None
    return statistics.median(float(each["span_s"]) for each in rounds)


def _example(kept: Mapping[str, Line]) -> str:
    rows = []
    for name in ("stock", "nvinx"):
        told = data(kept, f"workflows/example/{name}")
        if told:
            busy = told["busy"]
            share = None if busy is None else 100 * busy
            rows.append([name, figure(told["wall_s"]), figure(share, 0, " %"), told["finished"]])
    if not rows:
        return ""
    head = ("phage_proteins", "wall time, s", "card busy", "finished")
    return table(head, rows)
