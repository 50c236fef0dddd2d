"""The jobs of a workflow that are not ready yet, for whoever looks ahead."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from nvinx.admission.job import Job
from nvinx.admission.planner.work import Upcoming
from nvinx.errors import HintError
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snakemake_executor_plugin_nvinx.job_ids import JobIds
    from snakemake_executor_plugin_nvinx.run import Run

MOST = 500  # jobs: of more, to ask what each needs would hold the run up


def upcoming_of(workflow: Any, run: Run, ids: JobIds) -> tuple[Upcoming, ...]:
    """Each after those it needs; none in a workflow with groups, whose jobs come together.

    What waits for a file to tell what it needs is left out, with all behind it.
    """
    pending = sorted(snakemake_internals.pending_jobs(workflow), key=job_claims.name_of)
    if len(pending) > MOST or snakemake_internals.groups(workflow):
        return ()
    return tuple(_upcoming(workflow, pending, run, ids))


def _upcoming(workflow: Any, pending: list[Any], run: Run, ids: JobIds) -> Iterator[Upcoming]:
    needs = snakemake_internals.needs(workflow)
    before = {job: list(needs(job)) for job in pending}
    known: dict[Any, str] = {}
    for job in TopologicalSorter(before).static_order():
        if _is_told(job) and all(need in known for need in before[job]):
            try:
                claim, name = run.ready(job)
            except HintError:
                continue  # told once it is handed over
            if not job_claims.is_settled(job, claim):
                continue
            known[job] = ids.of(job)
            engine = run.context.engine
            after = tuple(known[need] for need in before[job])
            yield Upcoming(Job(known[job], name, claim, engine), after)


def _is_told(job: Any) -> bool:
    return not snakemake_internals.is_local_rule(job) and not job_claims.is_guessed(job)
