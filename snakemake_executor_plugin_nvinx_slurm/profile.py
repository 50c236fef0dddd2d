"""What each rule asks Slurm for, as a Snakemake profile for the plain Slurm executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

    asks: dict[str, list[Ask]] = {}
    for job in snakemake_internals.pending_jobs(workflow):
        if not job.is_local and not job.is_group() and not run.speaks_for_itself(job):
            asks.setdefault(job_claims.rule_of(job), []).append(run.ask(job))
    rules = {rule: _resources(some) for rule, some in sorted(asks.items())}
    found: dict[str, Any] = {"executor": "slurm"}
    if any(rules.values()):
        found["set-resources"] = {rule: said for rule, said in rules.items() if said}
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def _resources(asks: list[Ask]) -> dict[str, Any]:
    ask = max(asks, key=_shards)
    if not ask.gres:
        return {}
    said: dict[str, Any] = {"gres": ask.gres, "gpu": 0}
    if ask.not_on:
        said["slurm_extra"] = "--exclude=" + ",".join(sorted(ask.not_on))
    return said


def _shards(ask: Ask) -> int:
    return int(ask.gres.rpartition(":")[2] or 0)
