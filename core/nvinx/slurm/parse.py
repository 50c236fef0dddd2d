"""What Slurm's tools print, understood. Pure."""

from __future__ import annotations

import re

from nvinx.slurm.cluster import Node

_FIELD = re.compile(
    r"(?:^|\s)(NodeName|CPUTot|RealMemory|Gres|State|Partitions|ActiveFeatures)=(\S+)"
)
_SOCKETS = re.compile(r"\([^)]*\)")


def nodes(text: str) -> list[Node]:
    """The nodes in the output of `scontrol show node --oneliner`, but for those to come.

    Raises ValueError when a line is none of its.
    """
    found = (_node(line) for line in text.splitlines() if line.strip())
    return [node for node in found if node is not None]


def _node(line: str) -> Node | None:
    said = dict(_FIELD.findall(line))
    if not {"NodeName", "CPUTot", "RealMemory"} <= said.keys():
        raise ValueError(f"no line of scontrol show node: {line[:80]}")
    if said.get("State", "").startswith("FUTURE"):
        return None
    gres = _SOCKETS.sub("", said.get("Gres", ""))
    return Node(
        name=said["NodeName"],
        cpus=int(said["CPUTot"]),
        ram_mib=int(said["RealMemory"]),
        cards=_count(gres, "gpu"),
        shards=_count(gres, "shard"),
        card_name=_card_name(gres),
        partitions=_listed(said.get("Partitions", "")),
        features=_listed(said.get("ActiveFeatures", "")),
        is_up=not re.match(r"DOWN|FAIL|UNKNOWN", said.get("State", "")),
    )


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) - {"", "(null)"}


def default_partition(text: str) -> str | None:
    """The default in the output of `scontrol show partition --oneliner`; None where none is."""
    found = re.search(r"^PartitionName=(\S+)(?=\s.*\bDefault=YES\b)", text, re.M)
    return None if found is None else found[1]


def _count(gres: str, kind: str) -> int:
    """All of a kind: `gpu:a100:2,gpu:v100:1` has three."""
    words = [word.split(":") for word in gres.split(",") if word.partition(":")[0] == kind]
    return sum(int(word[-1]) if word[-1].isdigit() else 1 for word in words)


def _card_name(gres: str) -> str | None:
    """What the site calls the cards, where it gave them a type."""
    words = [word.split(":") for word in gres.split(",") if word.startswith("gpu:")]
    types = {word[1] for word in words if not word[1].isdigit()}
    return "+".join(sorted(types)) or None


def cards_mib(text: str) -> tuple[str, int] | None:
    """Name and MiB of the smallest card in the output of nvidia-smi's query for both."""
    found = []
    for line in text.splitlines():
        name, comma, size = line.rpartition(",")
        if comma and size.strip().isdigit():
            found.append((name.strip(), int(size)))
    return min(found, key=lambda card: card[1], default=None)
