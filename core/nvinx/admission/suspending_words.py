"""What is told of jobs that are suspended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.formatting import duration, gb

if TYPE_CHECKING:
    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job
    from nvinx.errors import SuspendError


def leaves(job: Job, asked: Reclaim, times: str) -> str:
    """times: how often it was preempted, in words."""
    return (
        f"nvinx: {job.name} is suspended (experimental), to give up its card to {asked.to}: up "
        f"to {gb(asked.ram_mib)} go to RAM, which takes {duration(asked.lost_s)} for both ways; it "
        f"goes on where it was {times}"
    )


def is_off_card(job: Job, asked: Reclaim) -> str:
    return f"nvinx: {job.name} is off its card, which is free for {asked.to}; it waits to go on"


def is_back(job: Job) -> str:
    return f"nvinx: {job.name} has its card again, and goes on"


def failed(job: Job, error: SuspendError, *, is_stuck: bool) -> str:
    """is_stuck: it does not run on."""
    then = "begins anew" if is_stuck else "keeps its card"
    return (
        f"nvinx: warning: {job.name} cannot be suspended ({error.problem}), so it {then}; "
        f"no job of {_kind(job)} is suspended again. Fix: {error.fix}."
    )


def is_of_a_kind_that_failed(job: Job, why: str) -> str:
    return f"nvinx: {job.name} keeps its card, as suspending a job of {_kind(job)} failed ({why})"


def _kind(job: Job) -> str:
    """Its rule or program."""
    return job.claim.kind.partition("@")[0] or job.name
