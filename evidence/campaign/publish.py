"""From the lines of a campaign to a page and to traces that tests replay."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from campaign.page import corpus, coruns, facts, offload, suspend, targets, workflows
from campaign.records import is_measured, latest, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from campaign.records import Line

PAGE = "measured-on-cards.md"
PICTURES = "measured"
# Which lines are traces, by the name of the trace; a line is a trace as it is.
TRACES = {
    "probe": re.compile(r"facts/(idle|holding|context/.*)"),
    "ends": re.compile(r"corpus/(?!peaks/|stand-in).*"),
    "coruns": re.compile(r"coruns/.*"),
}


def lines_in(folder: Path) -> list[Line]:
    """All lines of a campaign.

    Raises ValueError for none, for those of several cards, and for toys among others.
    """
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in read(file)]
    if not lines:
        raise ValueError(f"{folder} holds no measurements")
    cards = {line["setting"]["card"] for line in lines}
    if len(cards) > 1:
        names = ", ".join(sorted(str(card) for card in cards))
        raise ValueError(f"{folder} holds measurements of several cards ({names}); part them")
    if len({line["setting"]["small"] for line in lines}) > 1:
        raise ValueError(f"{folder} holds toys (--small) and real measurements; part them")
    return lines


def card_of(lines: Sequence[Line]) -> str | None:
    """None for CPU workers."""
    card: str | None = lines[0]["setting"]["card"]
    return card


def write_page(lines: Sequence[Line], folder: Path) -> Path:
    """The page, and its pictures in a folder beside it."""
    card, kept = card_of(lines), latest(lines)
    sections = [
        _head(lines, card),
        targets.section(lines, kept, card),
        facts.section(kept),
        coruns.section(list(kept.values()), card, folder / PICTURES),
        corpus.section(kept),
        offload.section(kept),
        suspend.section(kept),
        workflows.section(kept),
    ]
    page = folder / PAGE
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(sections).rstrip() + "\n", encoding="utf-8")
    return page


def write_traces(lines: Sequence[Line], folder: Path) -> list[Path]:
    """One file for each kind of trace that there is."""
    name = re.sub(r"[^a-z0-9]+", "-", (card_of(lines) or "cpu workers").lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    measured = [line for line in latest(lines).values() if is_measured(line)]
    written = []
    for kind, keys in TRACES.items():
        chosen = [line for line in measured if keys.fullmatch(line["key"])]
        if chosen:
            path = folder / f"{name}.{kind}.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in chosen))
            written.append(path)
    return written


def _head(lines: Sequence[Line], card: str | None) -> str:
    dates = sorted(line["at"][:10] for line in lines)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    settings = [line["setting"] for line in lines]
    versions = {name: v for each in settings for name, v in each["versions"].items()}
    said = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    sessions = len({line["session"] for line in lines})
    if card is None:
        title = "# CPU workers, no card\n"
        text = "This shows that the campaign works from end to end. It says nothing about a card.\n"
    else:
        drivers = ", ".join(sorted({str(each["driver"]) for each in settings}))
        total = settings[-1]["total_mib"]
        title = "# Measured on real cards\n"
        text = f"{card}, {total} MiB, driver {drivers}.\n"
    if settings[-1]["small"]:
        text += "\nToys and short times: this shows that the campaign works, and nothing else.\n"
    more = f"Measured {when} in {sessions} sessions, with {said}.\n"
    how = (
        "Each line is kept; `evidence/README.md` has the commands and says how to make this page.\n"
    )
    return "\n".join([title, text, more, how])
