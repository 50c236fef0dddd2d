"""Slurm as its tools show it: asked with a time limit, and with one error that says why."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from nvinx.errors import SlurmError
from nvinx.formatting import few_names
from nvinx.sizes import capacity_from_gb
from nvinx.slurm import parse as slurm_parser
from nvinx.slurm.cluster import Cluster
from nvinx.slurm.draft import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nvinx.bench.resolve import Bench
    from nvinx.slurm.cluster import Node

NOT_SET_UP = "Could not establish a configuration source"
_ANSWER_S = 20.0
_PATIENCE_S = 60  # for a job of a moment on a node that may be busy
_LOGIN = "run this where Slurm's tools work (a login node), or use --executor nvinx on one machine"
_DEAD = "try `scontrol ping`, or ask the administrators of the cluster"


def nodes() -> list[Node]:
    """All nodes of the cluster. Raises SlurmError when Slurm does not tell."""
    text = ask("scontrol", "show", "node", "--oneliner", "--all")
    try:
        found = slurm_parser.nodes(text)
    except ValueError as error:
        problem = f"printed something that nvinx does not understand: {error}"
        raise SlurmError("scontrol", problem, _DEAD) from error
    if not found:
        raise SlurmError("Slurm", "has no nodes", _DEAD)
    return found


def cluster(bench: Bench) -> Cluster:
    """The cluster, with the cards that the bench file says its nodes have. Raises SlurmError."""
    found = {node.name: node for node in nodes()}
    for said in bench.cluster:
        mib = max(capacity_from_gb(said.vram_gb) - bench.cluster_headroom_mib, 0)
        for name in names(said.nodes):
            if name not in found:
                known = few_names(sorted(found))
                problem = f"has no node {name}, which {bench.path} names under cluster"
                raise SlurmError("Slurm", problem, f"write one of {known}")
            node = found[name]
            if not node.cards:
                problem = f"counts no GPU on {name}, which {bench.path} names under cluster"
                raise SlurmError("Slurm", problem, "leave that node out")
            found[name] = replace(node, card_mib=mib, card_name=said.card or node.card_name)
    return Cluster(list(found.values()))


def default_partition() -> str | None:
    """Where jobs go that name no partition. Raises SlurmError."""
    return slurm_parser.default_partition(
        ask("scontrol", "show", "partition", "--oneliner", "--all")
    )


def alive(name: str) -> set[str]:
    """The jobs of this name that are queued or running. Raises SlurmError."""
    return set(ask("squeue", "--noheader", "--array", "--format=%i", f"--name={name}").split())


def names(pattern: str) -> list[str]:
    """The nodes that a pattern such as `gpu[01-04]` stands for. Raises SlurmError."""
    return ask("scontrol", "show", "hostnames", pattern).split()


def hostlist(names: Iterable[str]) -> str:
    """Names as Slurm writes them in short, `gpu[01-04]`. Raises SlurmError."""
    return ask("scontrol", "show", "hostlistsorted", ",".join(names)).strip()


def card_of(node: str) -> Said:
    """What a node's driver says of its cards, by a job of a moment; what went wrong, if it did."""
    limits = ("--time=2", f"--immediate={_PATIENCE_S}")
    query = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    one = ("--nodes=1", "--ntasks=1", f"--nodelist={node}", "--gres=gpu:1")
    try:
        text = ask("srun", *one, *limits, "nvidia-smi", *query, limit_s=2 * _PATIENCE_S)
    except SlurmError as error:
        return Said(problem=error.problem)
    found = slurm_parser.cards_mib(text)
    return Said(*found) if found else Said(problem="nvidia-smi shows no card")


def has_accounting() -> bool:
    """Whether `sacct` can know of jobs. Raises SlurmError."""
    config = ask("scontrol", "show", "config")
    lines = [line.split("=", 1) for line in config.splitlines() if "=" in line]
    kind = next((value for key, value in lines if key.strip() == "AccountingStorageType"), "")
    return kind.strip() not in {"", "accounting_storage/none", "(null)"}


def ask(tool: str, *words: str, limit_s: float = _ANSWER_S) -> str:
    """What one of Slurm's tools prints. Raises SlurmError where it fails or does not answer."""
    command: Sequence[str] = (tool, *words)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except FileNotFoundError:
        raise SlurmError(tool, "is not installed here", _LOGIN) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(tool, f"did not answer in {limit_s:g} s", _DEAD) from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise SlurmError(tool, f"failed: {said}", _DEAD)
    return done.stdout
