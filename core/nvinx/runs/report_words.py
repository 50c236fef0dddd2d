"""What the page of a run says in words: what it took and saved, why, and what to change."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

from nvinx.errors import WorkloadError
from nvinx.formatting import counted, duration
from nvinx.runs import looks, replay
from nvinx.runs import summary as run_summary

if TYPE_CHECKING:
    from nvinx.runs.read import RecordedRun

_MOST_COMPARED = 1500  # jobs that are played again for the comparison
_LEAST_SAVED = 0.01
_DID = {
    "gpu_shared": "shared a card",
    "gpu_exclusive": "used a whole card",
    "gpu_ram_overflow": "spilled to RAM",
    "cpu_only": "ran on the CPU",
}


def heading(run: RecordedRun, name: str) -> str:
    """The top of the page, as HTML."""
    words = run.begun["command"]
    command = " ".join([*(PurePath(word).name for word in words[:1]), *words[1:]])
    when = run.begun["date"].replace("T", " ")
    said = f"{when}, {counted(run.begun['cores'], 'core')}{'; ' if command else ''}{command}"
    return (
        f"<h1>{html.escape(name)}</h1>{_banner(run)}"
        f"<p><strong>{html.escape(_result(run))}</strong></p>"
        f"{_paragraph(_saved(run))}{_paragraph(_why(run))}"
        f'<p class="dim">{html.escape(said)}</p>{_advice(run)}'
    )


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>" if text else ""


def _banner(run: RecordedRun) -> str:
    cards = [card for card in run.cards if card.simulated]
    if not cards:
        return ""
    which = "The card is" if len(cards) == 1 else "The cards are"
    return (
        f'<p class="banner" role="note">{which} simulated: decisions are the same as on a real '
        "card, but run times say nothing about a GPU.</p>"
    )


def _result(run: RecordedRun) -> str:
    text = f"{counted(len(run.jobs), 'job')} in {duration(replay.makespan_s(run))}"
    failed = sum(job.ok is False for job in run.jobs.values())
    text += f"; {failed} failed" if failed else ""
    return text if run.over_s is not None else f"{text}; the run was killed, or is still running"


def _saved(run: RecordedRun) -> str:
    """Both times by the same replay, where that tells anything."""
    if run.over_s is None or not run.cards or len(run.jobs) > _MOST_COMPARED:
        return ""
    try:
        alone_s, shared_s = replay.one_at_a_time_s(run), replay.as_it_ran_s(run)
    except WorkloadError:
        return ""
    both = (
        f"Replayed without the time between jobs: {duration(shared_s)} as nvinx orders them, "
        f"{duration(alone_s)} with one GPU job at a time"
    )
    share = 1 - shared_s / alone_s if alone_s else 0.0
    return f"{both}: {share:.0%} saved." if share >= _LEAST_SAVED else f"{both}: nothing saved."


def _why(run: RecordedRun) -> str:
    """Where the jobs were, and how long the cards had work."""
    ran = [job for job in run.jobs.values() if job.started_s is not None]
    kinds = Counter(looks.residency(job) for job in ran)
    where = ", ".join(f"{kinds[kind]} {did}" for kind, did in _DID.items() if kinds[kind])
    busy = "; ".join(
        f"GPU {card.index} had work {run_summary.busy_share(run, card):.0%} of the time"
        for card in run.cards
    )
    return "; ".join(text for text in (where, busy) if text) + "." if where else ""


def _advice(run: RecordedRun) -> str:
    found = run_summary.suggestions(run)
    if not found:
        return "<h2>What to change</h2><p>Nothing worth changing was found.</p>"
    items = "".join(f"<li>{html.escape(text)}</li>" for text in found)
    return f"<h2>What to change</h2><ul>{items}</ul>"
