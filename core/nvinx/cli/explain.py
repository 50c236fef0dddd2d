"""`nvinx explain`: why one job ran where it did, or why it waits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import options
from nvinx.formatting import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.runs.read import Ran, RecordedRun

_NOT_FOUND = 1
_MOST_RULES = 8
_AT_ONCE_S = 0.05


@click.command(name="explain")
@click.argument("job")
@click.argument(
    "folder", default=".", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@options.state_dir
def command(job: str, folder: Path, state_dir: Path | None) -> None:
    """Say why JOB waits now, or where it ran in FOLDER's last run and why.

    For a job that asked for a range of VRAM, also say how much it may use now.

    JOB is a name such as `embed[3]`, or a rule for all its jobs.
    """
    from nvinx.leases.questions import is_called
    from nvinx.runs import read as recorded

    run = recorded.last(folder)
    waiting = [*_waiting(job, state_dir), *_with_budget(job, state_dir)]
    called = [entry for entry in run.jobs.values() if is_called(entry.name, (job,))] if run else []
    ran = [entry for entry in called if not waiting or entry.started_s is not None]
    lines = [*waiting, *map(_sentence, ran)]
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(_not_found(job, folder, run), err=True)
        raise SystemExit(_NOT_FOUND)


def _not_found(job: str, folder: Path, run: RecordedRun | None) -> str:
    """What there is instead: the job that may have been meant, or the rules of the last run."""
    from difflib import get_close_matches

    from nvinx.formatting import few_names

    where = plain(str(folder.resolve()))
    if run is None:
        return f"No job {plain(job)} waits, and no run is recorded in {where}."
    names = [entry.name for entry in run.jobs.values()]
    rules = list(dict.fromkeys(name.partition("[")[0] for name in names))
    close = get_close_matches(job, {*names, *rules}, 1)
    there = f"Did you mean {close[0]}?" if close else f"It has {few_names(rules, _MOST_RULES)}."
    return f"No job {plain(job)} waits, nor is one in the last run in {where}. {there}"


def _waiting(job: str, state_dir: Path | None) -> Iterator[str]:
    from nvinx.admission import explain
    from nvinx.formatting import duration
    from nvinx.host import statedir
    from nvinx.host.clock import boot_seconds
    from nvinx.leases import snapshot

    requests = snapshot.requests_of(job, statedir.choose(state_dir, os.environ))
    now = boot_seconds()
    for request in requests:
        why = explain.waiting(request.reason)
        waited = duration(now - request.since)
        yield f"{request.job.name} has waited for a card for {waited}: {why}."


def _with_budget(job: str, state_dir: Path | None) -> Iterator[str]:
    """What those of the name that asked for a range of VRAM may use now, and for whom."""
    from nvinx.admission import explain
    from nvinx.host import statedir
    from nvinx.leases import snapshot
    from nvinx.leases.questions import is_called

    for lease in snapshot.leases(statedir.choose(state_dir, os.environ)):
        if is_called(lease.job.name, (job,)) and lease.placement.budget is not None:
            yield f"{lease.job.name} runs, and {explain.budget(lease.job, lease.placement)}."


def _sentence(ran: Ran) -> str:
    from nvinx.formatting import duration

    if ran.started_s is None:
        return f"{ran.name} never started."
    end = (
        "an unknown time (it was still running when the run ended)"
        if ran.ran_s is None
        else duration(ran.ran_s)
    )
    how = "was " if ran.was_preempted or (ran.off_card and not ran.end_word) else ""
    ended = f", and {how}{ran.end_words}" if ran.end_words else ""
    waited_s = ran.waited_s or 0.0
    began = f"after a wait of {duration(waited_s)}" if waited_s >= _AT_ONCE_S else "at once"
    where = ran.where if ran.where.startswith("GPU") else f"the {ran.where}"
    return f"{ran.name} ran on {where} for {end}, {began}{ended}: {ran.why}."
