"""The nodes that a rule's own words to Slurm leave it: partition, features, nodes. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nvinx.errors import HintError
from nvinx.formatting import few_names
from nvinx.slurm.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from nvinx.slurm.cluster import Node

_ELSEWHERE = ("slurm_cluster", "cluster", "clusters")
_OPTION = re.compile(
    r"(?<!\S)(?:--(exclude|nodelist)(?:=|\s+)|-([xw])\s*)('[^']*'|\"[^\"]*\"|\S+)\s*"
)
_CARDS = re.compile(
    r"(?<!\S)(?:--gpus(?:-per-(?:node|socket|task))?[=\s]|-G|--tres-per-\w+[=\s]\S*gpu|--gres[=\s])"
)
_ALL_OF, _ONE_OF = (re.compile(rf"[\w.-]+(?:{sign}[\w.-]+)*") for sign in (r"&", r"\|"))


def within(
    cluster: Cluster,
    rule: str,
    stated: Mapping[str, Any],
    default: str | None,
    expand: Callable[[str], Collection[str]],
) -> Cluster:
    """The part of a cluster that a job may use. Raises HintError where it names no partition.

    stated: the job's resources. default: the partition of jobs that name none; None where nobody
    can tell. expand: the nodes that a pattern such as `gpu[01-04]` stands for.
    """
    if any(stated.get(name) for name in _ELSEWHERE):
        return cluster  # of another one nothing is known here
    nodes, of = cluster.nodes, ""
    partition = str(stated.get("slurm_partition") or default or "")
    known = {name for node in nodes for name in node.partitions}
    if partition and known:
        wanted = set(partition.split(","))
        if not wanted <= known:
            problem = "Slurm has no such partition"
            fix = f"write one of {few_names(sorted(known))}"
            raise HintError(rule, f"slurm_partition={partition!r}", problem, fix)
        nodes = tuple(node for node in nodes if node.partitions & wanted)
        of = f" of partition {partition}"
        of += "" if stated.get("slurm_partition") else " (the default)"
    extra = str(stated.get("slurm_extra") or "")
    excluded, only = named(extra, "exclude", expand), named(extra, "nodelist", expand)
    left = tuple(
        node
        for node in nodes
        if node.name not in excluded
        and (not only or node.name in only)
        and _has(node, str(stated.get("constraint") or ""))
    )
    if len(left) < len(nodes):
        of += " that its rule leaves"
    return cluster if len(left) == len(cluster.nodes) else Cluster(left, of, _with_cards(cluster))


def named(extra: str, option: str, expand: Callable[[str], Collection[str]]) -> frozenset[str]:
    """The nodes that the last of an option names in `slurm_extra`, as sbatch takes no other."""
    patterns = [
        names.strip("'\"")
        for long, short, names in _OPTION.findall(extra)
        if option == (long or {"x": "exclude", "w": "nodelist"}[short])
    ]
    return frozenset(expand(patterns[-1])) if patterns else frozenset()


def asks_for_cards(extra: str) -> bool:
    """Whether `slurm_extra` asks Slurm for cards itself."""
    return _CARDS.search(extra) is not None


def excluding(extra: str, nodes: Iterable[str]) -> str:
    """`slurm_extra` with these nodes as the only ones that it excludes."""
    rest = _OPTION.sub(lambda o: "" if "x" in (o[1] or o[2]) else o[0], extra).strip()
    return f"{rest} --exclude={','.join(sorted(nodes))}".strip()


def _has(node: Node, constraint: str) -> bool:
    """Whether its features are those of a constraint; of an intricate one nobody can say no."""
    if _ALL_OF.fullmatch(constraint):
        return node.features.issuperset(constraint.split("&"))
    if _ONE_OF.fullmatch(constraint):
        return not node.features.isdisjoint(constraint.split("|"))
    return True


def _with_cards(cluster: Cluster) -> tuple[str, ...]:
    """The partitions in which there are cards."""
    return tuple(sorted({p for node in cluster.nodes if node.cards for p in node.partitions}))
