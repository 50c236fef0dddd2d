"""The jobs of a workflow as a workload: what `nvinx plan` plays."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nvinx.admission.policy import options
from nvinx.residency import Residency
from nvinx.simulation.workload import Task, Workload
from nvinx.sizes import whole_mb
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals

if TYPE_CHECKING:
    from nvinx.jobs.claim import Claim
    from snakemake_executor_plugin_nvinx.run import Run

_LOCAL_S = 0.01  # local rules are trifles as a rule


def workload_of(workflow: Any, run: Run) -> Workload:
    """The jobs that are still to run; times as earlier runs took or as declared, else a minute.

    Groups are planned as their single jobs. Raises HintError naming the rule, or what a function of
    a job that waits for no other raises.
    """
    pending = snakemake_internals.pending_jobs(workflow)  # in no order
    jobs = sorted(pending, key=job_claims.name_of)
    names = _names(jobs)
    needs = snakemake_internals.needs(workflow)
    return Workload.of(
        _task(job, names[job], tuple(names[other] for other in needs(job)), run) for job in jobs
    )


def _names(jobs: list[Any]) -> dict[Any, str]:
    """A name for each job, numbered where two would be called alike."""
    seen: Counter[str] = Counter()
    names = {}
    for job in jobs:
        name = job_claims.name_of(job)
        seen[name] += 1
        names[job] = name if seen[name] == 1 else f"{name}#{seen[name]}"
    return names


def _task(job: Any, name: str, after: tuple[str, ...], run: Run) -> Task:
    if snakemake_internals.is_local_rule(job):
        return Task(name=name, duration_s=_LOCAL_S, runtime_s=_LOCAL_S, after=after)
    if not after and (error := snakemake_internals.evaluation_error(job)) is not None:
        raise error
    if job_claims.is_guessed(job):
        return _guessed(job, name, after, run)
    claim, _ = run.claim(job)
    if not job_claims.is_settled(job, claim):
        return _guessed(job, name, after, run)
    possible = options(claim, run.broker.state.capacity)
    spills = possible == (Residency.GPU_RAM_OVERFLOW,)
    seen_s = run.statistics.gpu_s if claim.uses_gpu else run.statistics.cpu_s
    duration_s = seen_s(claim.kind, claim.size) or job_claims.length_s(job, run.statistics)
    return Task(
        name=name,
        duration_s=duration_s,
        model=claim.model,
        threads=claim.cores,
        mem_mb=_mb(claim.ram_mib) or 0,
        disk_mb=_mb(claim.disk_mib) or 0,
        vram_mb=_mb(claim.vram_mib),
        gpu_share=None if spills else claim.share,
        residency=Residency.GPU_RAM_OVERFLOW if spills else claim.residency,
        after=after,
        max_slowdown=claim.max_slowdown,
        cpu_duration_s=_cpu_s(claim, duration_s, has_to=possible == (Residency.CPU_ONLY,)),
        runtime_s=claim.runtime_s,
        priority=claim.priority,
        kind=claim.kind,
        card_name=claim.card_name,
        cards=claim.cards,
        preemptible=claim.preemptible,
        preempts=claim.preempts,
    )


def _guessed(job: Any, name: str, after: tuple[str, ...], run: Run) -> Task:
    """A job whose needs an earlier one will tell: with a whole card, where it asks for one."""
    wants_card = job_claims.asks_for_card(job) and run.broker.state.capacity.cards
    return Task(
        name=name,
        duration_s=job_claims.length_s(job, run.statistics),
        residency=Residency.GPU_EXCLUSIVE if wants_card else None,
        after=after,
        kind=job_claims.kind_of(job),
        is_guessed=True,
    )


def _cpu_s(claim: Claim, duration_s: float, *, has_to: bool) -> float | None:
    """Seconds on the CPU, where the job may run there and the time is known, or it has to."""
    if not claim.uses_gpu or not claim.cpu_fallback:
        return None
    return claim.cpu_runtime_s or (duration_s if has_to else None)


def _mb(mib: int | None) -> int | None:
    return None if mib is None else whole_mb(mib)
