"""What a run's trace says, as the rows and steps that a page shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.errors import WorkloadError
from nvinx.history.summary import SPARE, smaller_half_mib
from nvinx.runs import lanes, replay, share_advice
from nvinx.simulation.advice import MOST_TASKS, advise
from nvinx.simulation.simulate import simulate
from nvinx.sizes import gb_from_mib, mb_from_mib, rounded_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nvinx.bench.capacity import Capacity, Card
    from nvinx.runs.read import Ran, RecordedRun
    from nvinx.simulation.workload import Workload

_WORTH_CHANGING = 1.1


@dataclass(frozen=True, slots=True)
class Bar:
    """One job on its lane. lane: as `GPU 0`, or `GPU 0 (2)` for the second of that place."""

    lane: str
    job: Ran


@dataclass(frozen=True, slots=True)
class Steps:
    """A value that changes at times: `values[k]` holds from `times_s[k]` on."""

    times_s: tuple[float, ...]
    values: tuple[float, ...]


def bars(jobs: Iterable[Ran]) -> list[Bar]:
    """Every job that ran and ended, on lanes where no two overlap; GPUs come first."""
    return [
        Bar(place if number == 0 else f"{place} ({number + 1})", span.job)
        for place, rows in lanes.lanes(jobs).items()
        for number, row in enumerate(rows)
        for span in row
    ]


def reserved(run: RecordedRun, card: Card) -> Steps:
    """GB of a card that jobs held: their share, or all of it."""
    return _over_time(run, card, lambda placement, _claim: _held_mib(placement, card))


def declared(run: RecordedRun, card: Card) -> Steps:
    """GB of a card that the jobs there declared, which for one that spills is more than it has.

    A job that has the card to itself and states no size counts with all of it.
    """
    return _over_time(
        run, card, lambda placement, claim: claim.get("vram_mib") or _held_mib(placement, card)
    )


def _held_mib(placement: dict[str, Any], card: Card) -> int:
    if placement["residency"] != "gpu_shared":
        return card.total_mib
    held = (placement["vram_mib"], *placement.get("more_mib", ()))
    cards = (placement["card"], *placement.get("more", ()))
    return int(dict(zip(cards, held, strict=False))[card.id])


def _over_time(
    run: RecordedRun, card: Card, size_mib: Callable[[dict[str, Any], dict[str, Any]], int]
) -> Steps:
    changes = []
    for job in run.jobs.values():
        placement = job.placement or {}
        if card.id in (placement.get("card"), *placement.get("more", ())):
            size = size_mib(placement, job.claim or {})
            changes.append((job.started_s or 0.0, size))
            changes.append((job.ended_s or _end_s(run), -size))
    return _summed(changes)


def measured(run: RecordedRun, card: Card) -> Steps:
    """GB of a card that were in use, by all programs, as the samples say."""
    seen = [
        (sample["s"], gb_from_mib(one["used_mib"]))
        for sample in run.samples
        for one in sample["cards"]
        if one["id"] == card.id and one["used_mib"] is not None
    ]
    return Steps(tuple(s for s, _ in seen), tuple(gb for _, gb in seen))


def cpu(run: RecordedRun) -> Steps:
    """Share of all cores that were busy, with whatever, as the samples say."""
    return Steps(
        tuple(sample["s"] for sample in run.samples),
        tuple(sample["cpu"] for sample in run.samples),
    )


def busy_share(run: RecordedRun, card: Card) -> float:
    """Share of the run in which at least one job was on the card."""
    steps = reserved(run, card)
    spans = zip(steps.times_s, (*steps.times_s[1:], _end_s(run)), steps.values, strict=True)
    busy_s = sum(end - start for start, end, gb in spans if gb > 0)
    total_s = replay.makespan_s(run)
    return min(busy_s / total_s, 1.0) if total_s > 0 else 0.0


def suggestions(run: RecordedRun) -> list[str]:
    """What would make the next run shorter, each with its numbers; best first."""
    return [*_declarations(run), *_changes(run)]


def _changes(run: RecordedRun) -> list[str]:
    """Single changes, tried in the simulator on the jobs of this run."""
    workload = replay.workload_of(run)
    if not workload.tasks or len(workload.tasks) > MOST_TASKS:
        return []
    try:
        found = advise(workload, replay.capacity_of(run), _makespan_s)
    except WorkloadError:
        return []
    return [f"{each.change}: would save {each.saves_s:.0f} s ({each.share:.0%})" for each in found]


def _makespan_s(workload: Workload, capacity: Capacity) -> float:
    return simulate(workload, capacity, LongestChainFirst(Estimates())).makespan_s


def _declarations(run: RecordedRun) -> Iterator[str]:
    """Rules that declare far more, or less, than their jobs were seen to use."""
    by_rule: dict[str, list[Ran]] = defaultdict(list)
    for job in run.jobs.values():
        shared = (job.placement or {}).get("residency") == "gpu_shared"
        if job.peak_mib is not None and shared and not (job.claim or {}).get("auto_vram"):
            by_rule[job.name.partition("[")[0]].append(job)
    for rule, jobs in sorted(by_rule.items()):
        if any(job.share is not None for job in jobs):
            if said := share_advice.advice(rule, jobs, run.cards):
                yield said
            continue
        declared = max((job.claim or {}).get("vram_mib") or 0 for job in jobs)
        need = SPARE * max(job.peak_mib or 0 for job in jobs)
        if need * _WORTH_CHANGING < declared or need > declared:
            yield _declaration(rule, declared, need, run.cards)
        half_mib = smaller_half_mib(
            declared, (((j.claim or {}).get("size"), j.peak_mib) for j in jobs)
        )
        if half_mib is not None:
            yield _by_size(rule, declared, half_mib)


def _declaration(rule: str, declared_mib: int, need_mib: float, cards: Sequence[Card]) -> str:
    now, then = round(mb_from_mib(declared_mib)), rounded_up(mb_from_mib(need_mib))
    text = f"rule {rule}: declare {then} instead of {now} MB"
    room = max((card.shareable_mib for card in cards), default=0)
    more = int(room // need_mib) - room // declared_mib if declared_mib else 0
    return f"{text}, then {more} more fit the card" if more > 0 else text


def _by_size(rule: str, declared_mib: int, half_mib: int) -> str:
    now, then = round(mb_from_mib(declared_mib)), rounded_up(mb_from_mib(half_mib))
    more = declared_mib // half_mib - 1
    held = f"with vram_mb='auto' at most {then} MB would be held for the smaller half of its inputs"
    return f"rule {rule}: declared {now} MB; {held}, and {more} more would fit in the place of one"


def _end_s(run: RecordedRun) -> float:
    ends = [job.ended_s for job in run.jobs.values() if job.ended_s is not None]
    return run.over_s if run.over_s is not None else max(ends, default=0.0)


def _summed(changes: list[tuple[float, int]]) -> Steps:
    times, values, held = [0.0], [0.0], 0
    for at, change in sorted(changes):
        held += change
        if times[-1] == at:
            values[-1] = gb_from_mib(held)
        else:
            times.append(at)
            values.append(gb_from_mib(held))
    return Steps(tuple(times), tuple(values))
