"""A run that was, as a workload that can be played again under another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.jobs.card_count import CardCount
from nvinx.residency import Residency
from nvinx.simulation.baselines import Serial
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload
from nvinx.sizes import whole_mb

if TYPE_CHECKING:
    from nvinx.runs.read import Ran, RecordedRun

_SHORTEST_S = 0.001


def workload_of(run: RecordedRun) -> Workload:
    """The jobs that ended well, with the times they would have taken alone.

    A job comes after those that made its input; where none of this run did, when it was handed
    over. Where a job shared its card its time is divided by the slowdown that was expected.
    """
    done = {job_id: job for job_id, job in run.jobs.items() if job.ok and job.ran_s is not None}
    names = _names(done)
    first_s = min((job.submitted_s for job in done.values()), default=0.0)
    return Workload.of(_task(job, names[i], names, first_s) for i, job in done.items())


def capacity_of(run: RecordedRun) -> Capacity:
    """What the run could use."""
    return Capacity(run.cards, run.begun["cores"], run.begun["ram_mib"])


def makespan_s(run: RecordedRun) -> float:
    """From the first job that was handed over to the last that ended."""
    ends = [job.ended_s for job in run.jobs.values() if job.ended_s is not None]
    return max(ends, default=0.0) - min((j.submitted_s for j in run.jobs.values()), default=0.0)


def one_at_a_time_s(run: RecordedRun) -> float:
    """How long the same jobs would take with one GPU job at a time, by simulation."""
    return simulate(workload_of(run), capacity_of(run), Serial()).makespan_s


def as_it_ran_s(run: RecordedRun) -> float:
    """How long the same jobs take in nvinx's order, by the same simulation."""
    policy = LongestChainFirst(Estimates())
    return simulate(workload_of(run), capacity_of(run), policy).makespan_s


def _names(jobs: dict[str, Ran]) -> dict[str, str]:
    """A name for each job; tries and copies that are called alike are numbered."""
    seen: dict[str, int] = {}
    names = {}
    for job_id, job in jobs.items():
        seen[job.name] = seen.get(job.name, 0) + 1
        names[job_id] = job.name if seen[job.name] == 1 else f"{job.name}#{seen[job.name]}"
    return names


def _task(job: Ran, name: str, names: dict[str, str], first_s: float) -> Task:
    claim, placement = job.claim or {}, job.placement or {}
    after = tuple(names[i] for i in job.after if i in names)
    ran_s = max(job.ran_s or 0.0, _SHORTEST_S)
    residency = Residency(placement["residency"])
    vram_mib = claim.get("vram_mib") if residency.uses_gpu else None
    count = 1 + len(placement.get("more", ()))
    return Task(
        name=name,
        duration_s=ran_s / max(job.slowdown or 1.0, 1.0),
        model=claim.get("model"),
        threads=claim.get("cores", 1),
        mem_mb=_mb(placement.get("ram_mib")),
        disk_mb=_mb(placement.get("disk_mib")),
        vram_mb=None if vram_mib is None else _mb(vram_mib),
        gpu_share=job.share if residency.shares_card else None,
        residency=residency,
        cards=CardCount(count, count),
        after=after,
        release_s=0.0 if after else job.submitted_s - first_s,
        runtime_s=claim.get("runtime_s"),
        priority=claim.get("priority", 0),
        kind=claim.get("kind") or None,
        size=claim.get("size"),
    )


def _mb(mib: int | None) -> int:
    return whole_mb(mib or 0)
