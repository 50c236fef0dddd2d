"""What one run did, job by job, as its trace tells."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from msgspec import convert

from nvinx.admission import explain
from nvinx.admission.job import Placement
from nvinx.bench.capacity import Card
from nvinx.errors import NoRunError, RecordError
from nvinx.formatting import duration, plain
from nvinx.jobs.card_share import CardShare
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason
from nvinx.runs import trace, trace_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(slots=True)
class Ran:
    """One job of a run. Times are seconds since the run began.

    submitted_s: when it was handed over. slowdown: expected beside the others on its card.
    after: ids of the jobs that made its input. ok: None also where it was preempted, and gave its
    card back to the job `preempted_for`. off_card: from when to when its memory was in RAM for that
    job, and it stood still; to infinity where it never came back.
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
    preempted_for: str | None = None
    off_card: tuple[tuple[float, float], ...] = ()

    @property
    def was_preempted(self) -> bool:
        return self.outcome == Outcome.PREEMPTED.value

    @property
    def end_word(self) -> str:
        """How it ended, where that is worth a word."""
        return "preempted" if self.was_preempted else "failed" if self.ok is False else ""

    @property
    def end_words(self) -> str:
        """The same, with the name of whom it was preempted for."""
        whom = f" for {self.preempted_for or 'another job'}"
        if self.was_preempted:
            return f"{self.end_word}{whom}"
        if not self.off_card:
            return self.end_word
        suspended = f"suspended for {duration(self.suspended_s)}{whom.replace(' for', ', for')}"
        return f"{self.end_word}, {suspended}" if self.end_word else suspended

    @property
    def suspended_s(self) -> float:
        """For how long it stood still; until its end where it never came back."""
        end_s = inf if self.ended_s is None else self.ended_s
        spans = ((begin, min(end, end_s)) for begin, end in self.off_card)
        return sum(end - begin for begin, end in spans if isfinite(end))

    @property
    def outcome_words(self) -> str:
        """How it ended, in any case."""
        return self.end_words or (self.outcome or "").replace("_", " ")

    @property
    def share(self) -> CardShare | None:
        """The part of a card that it asked for."""
        return convert((self.claim or {}).get("share"), CardShare | None)

    @property
    def declared_mib(self) -> int | None:
        """What it declared, or what the part of its card is that it asked for."""
        of_card = self.placement or {} if self.share is not None else {}
        return (self.claim or {}).get("vram_mib") or of_card.get("vram_mib")

    @property
    def waited_s(self) -> float | None:
        return None if self.started_s is None else self.started_s - self.submitted_s

    @property
    def ran_s(self) -> float | None:
        """Without the time for which it was suspended."""
        if self.started_s is None or self.ended_s is None:
            return None
        return self.ended_s - self.started_s - self.suspended_s


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


def demand_last(folder: Path) -> RecordedRun:
    """The last run in a workflow's folder. Raises NoRunError, RecordError."""
    run = last(folder)
    if run is None or not run.jobs:
        raise NoRunError(plain(str(folder.resolve())))
    return run


def read(path: Path) -> RecordedRun:
    """The run that a trace tells of, without the lines that make no sense.

    Raises RecordError where the file, or its first line, is none.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        run = _begun(trace_lines.event(lines[0]))
    except (OSError, *trace_lines.NONSENSE) as error:
        raise RecordError(str(path)) from error
    for line in lines[1:]:
        with suppress(*trace_lines.NONSENSE):
            event = trace_lines.event(line)
            if event["event"] in _TAKE:
                _TAKE[event["event"]](run, event)
    return run


def _begun(event: dict[str, Any]) -> RecordedRun:
    if event["event"] != "run" or event["schema"] != trace.SCHEMA:
        raise ValueError("no trace of ours")
    return RecordedRun(event, {}, [], _cards(event))


def _cards(event: dict[str, Any]) -> tuple[Card, ...]:
    return convert(event["cards"], tuple[Card, ...])


def _submitted(run: RecordedRun, event: dict[str, Any]) -> None:
    job_id, name, after = convert((event["id"], event["name"], event["after"]), _SUBMITTED)
    convert(event["claim"], Claim)
    run.jobs[job_id] = Ran(plain(name), event["s"], claim=event["claim"], after=after)


def _learned(run: RecordedRun, event: dict[str, Any]) -> None:
    convert(event["claim"], Claim)
    run.jobs[event["id"]].claim = event["claim"]


def _waits(run: RecordedRun, event: dict[str, Any]) -> None:
    reason = convert(event["reason"], Reason)
    behind = [plain(name) for name in reason.behind]
    run.jobs[event["id"]].waited_for = {**event["reason"], "behind": behind}


def _started(run: RecordedRun, event: dict[str, Any]) -> None:
    job = run.jobs[event["id"]]
    placement = convert(event["placement"], Placement)
    beside, slowdown = convert((event["beside"], event["slowdown"]), _BESIDE)
    waited_s, reason = event["s"] - job.submitted_s, convert(job.waited_for, Reason | None)
    where = explain.where(placement, run.cards)
    job.why = explain.start_reason(placement, waited_s, reason)
    job.started_s, job.placement, job.where = event["s"], event["placement"], where
    job.beside, job.slowdown = beside, slowdown


def _preempted(run: RecordedRun, event: dict[str, Any]) -> None:
    run.jobs[event["id"]].preempted_for = plain(convert(event["to"], str))


def _moved(run: RecordedRun, event: dict[str, Any]) -> None:
    """Only what concerns the card: whether it holds it."""
    job, moved = run.jobs[event["id"]], event["moved"]
    if moved == "off card":
        job.off_card = (*job.off_card, (convert(event["s"], float), inf))
    elif moved == "back" and job.off_card:
        *before, (begin, _) = job.off_card
        job.off_card = (*before, (begin, convert(event["s"], float)))


def _ended(run: RecordedRun, event: dict[str, Any]) -> None:
    job = run.jobs[event["id"]]
    peak_mib, outcome = convert((event["peak_mib"], event["outcome"]), _END)
    job.ended_s, job.peak_mib, job.outcome = event["s"], peak_mib, outcome.value
    job.ok = None if outcome is Outcome.PREEMPTED else outcome is Outcome.OK


def _met(run: RecordedRun, event: dict[str, Any]) -> None:
    run.cards = (*run.cards, *_cards(event))


def _sample(run: RecordedRun, event: dict[str, Any]) -> None:
    run.samples.append(event)


def _over(run: RecordedRun, event: dict[str, Any]) -> None:
    run.over_s = event["s"]


_SUBMITTED = tuple[str, str, tuple[str, ...]]
_BESIDE = tuple[tuple[str, ...], float | None]
_END = tuple[int | None, Outcome]


_TAKE: dict[str, Callable[[RecordedRun, dict[str, Any]], None]] = {
    "submitted": _submitted,
    "learned": _learned,
    "waits": _waits,
    "started": _started,
    "preempted": _preempted,
    "moved": _moved,
    "ended": _ended,
    "cards": _met,
    "sample": _sample,
    "over": _over,
}
