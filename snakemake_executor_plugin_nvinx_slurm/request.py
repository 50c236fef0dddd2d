"""What a job's resources say to the Slurm plugin, once nvinx has worked out what to ask for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from snakemake_interface_executor_plugins.utils import format_cli_arg

from nvinx.leases.environment import declared_mb
from nvinx.slurm import reach
from snakemake_executor_plugin_nvinx import snakemake_internals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.slurm.cluster import Ask
    from snakemake_executor_plugin_nvinx_slurm.run import Placed


def rewrite(job: Any, placed: Placed, nodes: Iterable[str], failed: Iterable[str]) -> None:
    """Have the job ask for shards, or a card, on nodes where that means what its rule says.

    nodes: the only ones with cards that it may use. failed: nodes that no job should get any more;
    they are named with ours and the rule's own, since sbatch takes the last `--exclude` alone.
    """
    wanted, ask = dict(placed.stated), placed.ask
    wanted.pop("gpu", None)
    if ask.gres:
        wanted["gres"] = ask.gres
    others = ask.not_on | ({node.name for node in placed.within.nodes if node.cards} - set(nodes))
    others |= placed.excluded
    if others:
        extra = wanted.get("slurm_extra") or ""
        wanted["slurm_extra"] = reach.excluding(extra, others | set(failed))
    snakemake_internals.replace_resources(job, wanted)


def step_arguments(job: Any) -> str:
    """For the second Snakemake, which would make `srun --gpus=1` of a rule's `gpu=1`."""
    if job.is_group() or not job.rule.resources.get("gpu"):
        return ""
    return str(format_cli_arg("--set-resources", [f"{job.rule.name}:gpu=0"], base64_encode=True))


def exports(placed: Placed) -> str:
    """Shell words that tell a job in an array where it was placed, as far as that is known here."""
    claim = placed.ask.claim
    said = {"NVINX_JOB": placed.job.id, "NVINX_PLACEMENT": claim.residency.value}
    if claim.uses_gpu:
        said["NVINX_VRAM_MB"] = str(declared_mb(_vram_mib(placed.ask)))
    else:
        said["CUDA_VISIBLE_DEVICES"] = ""
    return "export " + " ".join(f"{key}={shlex.quote(value)}" for key, value in said.items())


def _vram_mib(ask: Ask) -> int:
    share = ask.claim.share
    if share is not None and ask.card_mib:
        return share.mib(ask.card_mib)
    return ask.claim.vram_mib or ask.card_mib
