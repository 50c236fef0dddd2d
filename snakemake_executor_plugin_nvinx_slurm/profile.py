"""What each rule asks Slurm for, as a Snakemake profile for the plain Slurm executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.slurm import reach
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.slurm.cluster import Ask
    from snakemake_executor_plugin_nvinx_slurm.run import SlurmRun


def write(path: Path, workflow: Any, run: SlurmRun) -> None:
    """Write `set-resources` for every rule with a GPU; where its jobs differ, the largest ask.

    Raises NvinxError.
    """
    import yaml

    asks: dict[str, list[tuple[Ask, str]]] = {}
    for job in snakemake_internals.pending_jobs(workflow):
        if not job.is_local and not job.is_group() and not run.speaks_for_itself(job):
            asks.setdefault(job_claims.rule_of(job), []).append(_said(run, job))
    rules = {rule: _resources(some) for rule, some in sorted(asks.items())}
    found: dict[str, Any] = {"executor": "slurm"}
    if any(rules.values()):
        found["set-resources"] = {rule: said for rule, said in rules.items() if said}
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def _said(run: SlurmRun, job: Any) -> tuple[Ask, str]:
    """What a job asks for, and its `slurm_extra`, which a profile replaces."""
    ask, extra = run.ask(job), str(job.resources.get("slurm_extra") or "")
    nodes = ask.not_on and ask.not_on | run.excluded(extra)
    return ask, reach.excluding(extra, nodes) if nodes else ""


def _resources(asks: list[tuple[Ask, str]]) -> dict[str, Any]:
    ask, extra = max(asks, key=lambda said: _shards(said[0]))
    if not ask.gres:
        return {}
    said: dict[str, Any] = {"gres": ask.gres, "gpu": 0}
    if extra:
        said["slurm_extra"] = extra
    return said


def _shards(ask: Ask) -> int:
    return int(ask.gres.rpartition(":")[2] or 0)
