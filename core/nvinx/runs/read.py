"""What one run did, job by job, as its trace tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import convert

from nvinx.admission import explain
from nvinx.admission.state import Placement
from nvinx.bench.capacity import Card
from nvinx.errors import RecordError
from nvinx.reasons import Reason
from nvinx.runs import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Ran:
    """One job of a run. Times are seconds since the run began.

    submitted_s: when it was handed over. slowdown: expected beside the others on its card.
    after: ids of the jobs that made its input.
    """

    name: str
    submitted_s: float
    started_s: float | None = None
    ended_s: float | None = None
    placement: dict[str, Any] | None = None
    where: str = ""
    why: str = ""
    waited_for: dict[str, Any] | None = None
    ok: bool | None = None
    outcome: str | None = None
    peak_mib: int | None = None
    slowdown: float | None = None
    claim: dict[str, Any] | None = None
    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def waited_s(self) -> float | None:
        return None if self.started_s is None else self.started_s - self.submitted_s

    @property
    def ran_s(self) -> float | None:
        if self.started_s is None or self.ended_s is None:
            return None
        return self.ended_s - self.started_s


@dataclass(slots=True)
class RecordedRun:
    """A whole run. begun: its first event. jobs: by id. samples: as they were written.

    over_s: when it ended; None where it was killed, or still runs.
    """

    begun: dict[str, Any]
    jobs: dict[str, Ran]
    samples: list[dict[str, Any]]
    cards: tuple[Card, ...] = ()
    over_s: float | None = None


def last(folder: Path) -> RecordedRun | None:
    """The last run in a workflow's folder; None where none is recorded. Raises RecordError."""
    path = trace.latest(folder)
    return None if path is None else read(path)


def read(path: Path) -> RecordedRun:
    """The run that a trace tells of. Raises RecordError when the file is none."""
    try:
        return _fold(_events(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise RecordError(str(path)) from error


def _events(text: str) -> Iterator[dict[str, Any]]:
    """A last line that was cut short by a kill is left out."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        try:
            event = json.loads(line) if line else None
        except ValueError:
            if number < len(lines) - 1:
                raise
            return
        if event is not None:
            yield event


def _fold(events: Iterable[dict[str, Any]]) -> RecordedRun:
    run: RecordedRun | None = None
    for event in events:
        if run is None:
            if event["event"] != "run" or event["schema"] != trace.SCHEMA:
                raise ValueError("no trace of ours")
            run = RecordedRun(event, {}, [], _cards(event))
        elif event["event"] in _TAKE:
            _TAKE[event["event"]](run, event)
    if run is None:
        raise ValueError("an empty file")
    return run


def _cards(event: dict[str, Any]) -> tuple[Card, ...]:
    return convert(event["cards"], tuple[Card, ...])


def _submitted(run: RecordedRun, event: dict[str, Any]) -> None:
    run.jobs[event["id"]] = Ran(
        event["name"], event["s"], claim=event["claim"], after=tuple(event["after"])
    )


def _learned(run: RecordedRun, event: dict[str, Any]) -> None:
    run.jobs[event["id"]].claim = event["claim"]


def _waits(run: RecordedRun, event: dict[str, Any]) -> None:
    run.jobs[event["id"]].waited_for = event["reason"]


def _started(run: RecordedRun, event: dict[str, Any]) -> None:
    job = run.jobs[event["id"]]
    job.started_s, job.placement = event["s"], event["placement"]
    job.beside, job.slowdown = tuple(event["beside"]), event["slowdown"]
    placement = convert(event["placement"], Placement)
    job.where = explain.where(placement, run.cards)
    job.why = explain.start_reason(
        placement, job.waited_s or 0.0, convert(job.waited_for, Reason | None)
    )


def _ended(run: RecordedRun, event: dict[str, Any]) -> None:
    job = run.jobs[event["id"]]
    job.ended_s, job.peak_mib, job.outcome = event["s"], event["peak_mib"], event["outcome"]
    job.ok = event["outcome"] == "ok"


def _met(run: RecordedRun, event: dict[str, Any]) -> None:
    run.cards = (*run.cards, *_cards(event))


def _sample(run: RecordedRun, event: dict[str, Any]) -> None:
    run.samples.append(event)


def _over(run: RecordedRun, event: dict[str, Any]) -> None:
    run.over_s = event["s"]


_TAKE: dict[str, Callable[[RecordedRun, dict[str, Any]], None]] = {
    "submitted": _submitted,
    "learned": _learned,
    "waits": _waits,
    "started": _started,
    "ended": _ended,
    "cards": _met,
    "sample": _sample,
    "over": _over,
}
