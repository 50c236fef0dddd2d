"""The last lines of a run's log: what it took and saved, or what failed and why."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nvinx.errors import NvinxError
from nvinx.formatting import counted, duration, few_names
from nvinx.jobs.outcome import Outcome
from nvinx.runs import replay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.runs.read import Ran, RecordedRun

_SHORTEST_S = 5.0  # below, the start of jobs counts for more than their order
_LEAST_SAVED = 0.01
_MOST_REPLAYED = 1000  # jobs, about a second's work
_MOST_FAILED = 3
_MORE = "See: nvinx jobs, nvinx report."


def lines(run: RecordedRun) -> Iterator[str]:
    """What to say at the end; nothing where all went well and no job used a card."""
    failed = _failed(run)
    if failed:
        yield from _of_failure(run, failed)
    elif any(job.ok and job.where.startswith("GPU") for job in run.jobs.values()):
        yield _of_success(run)


def _of_success(run: RecordedRun) -> str:
    took = duration(replay.makespan_s(run))
    jobs = sum(not job.was_preempted for job in run.jobs.values())
    return f"nvinx: {counted(jobs, 'job')} in {took}. {_saved(run)}{_MORE}"


def _saved(run: RecordedRun) -> str:
    """Both times from the same replay, or nothing where they tell nothing."""
    if len(run.jobs) > _MOST_REPLAYED:
        return ""
    with suppress(NvinxError):  # nobody may fail for a sentence
        alone_s, shared_s = replay.one_at_a_time_s(run), replay.as_it_ran_s(run)
        share = 1 - shared_s / alone_s if alone_s >= _SHORTEST_S else 0.0
        if share >= _LEAST_SAVED:
            return (
                f"Replayed without the time between jobs, they take {duration(shared_s)}, and "
                f"{duration(alone_s)} with one GPU job at a time: {share:.0%} less. "
            )
    return ""


def _failed(run: RecordedRun) -> dict[str, list[Ran]]:
    """The tries of each job that never ended well, by name."""
    tries: dict[str, list[Ran]] = {}
    for job in run.jobs.values():
        if not job.was_preempted:
            tries.setdefault(job.name, []).append(job)
    return {name: all_ for name, all_ in tries.items() if all_[-1].ok is False}


def _of_failure(run: RecordedRun, failed: dict[str, list[Ran]]) -> Iterator[str]:
    done = sum(job.ok is True for job in run.jobs.values())
    waiting = sum(job.started_s is None for job in run.jobs.values())
    never = f", {waiting} never started" if waiting else ""
    told = f"{counted(len(failed), 'job')} failed, {done} done{never}"
    yield f"nvinx: {told}, in {duration(replay.makespan_s(run))}."
    for name in list(failed)[:_MOST_FAILED]:
        yield f"nvinx: {name} {_why(failed[name])}."
    more = list(failed)[_MOST_FAILED:]
    also = f"Failed as well: {few_names(more)}. " if more else ""
    yield f"nvinx: {also}See: nvinx explain {next(iter(failed))}, nvinx jobs, nvinx report."


def _why(tries: Sequence[Ran]) -> str:
    last = tries[-1]
    where = f"on {last.where.replace('CPU', 'the CPU')}" if last.where else "before it started"
    ran = f" after {duration(last.ran_s)}" if last.ran_s is not None else ""
    if last.outcome != Outcome.OUT_OF_MEMORY.value:
        return f"failed {where}{ran}; see its own message above"
    often = (
        f"in each of {len(tries)} attempts, each with more VRAM, the last" if len(tries) > 1 else ""
    )
    return f"ran out of GPU memory {often} {where}{ran}".replace("  ", " ")
