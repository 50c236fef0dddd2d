"""The `cluster:` part of a bench file, from what Slurm shows: a kind of nodes a line. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.sizes import rounded_gb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nvinx.slurm.cluster import Node


@dataclass(frozen=True, slots=True)
class Kind:
    """Nodes whose cards look alike to Slurm."""

    nodes: tuple[Node, ...]

    @property
    def name(self) -> str:
        """The node that is asked for all of its kind."""
        return next((node.name for node in self.nodes if node.is_up), self.nodes[0].name)


@dataclass(frozen=True, slots=True)
class Said:
    """What a kind's node said of its smallest card; mib None where it did not."""

    card_name: str | None = None
    mib: int | None = None
    problem: str = ""


def kinds(nodes: Iterable[Node]) -> list[Kind]:
    """The nodes that have cards, by what Slurm calls these and how many shards each has."""
    found: dict[tuple[str, int, int], list[Node]] = defaultdict(list)
    for node in nodes:
        if node.cards:
            found[node.card_name or "", node.cards, node.per_card].append(node)
    return [Kind(tuple(some)) for some in found.values()]


def render(kinds: Iterable[tuple[Kind, str, Said]]) -> str:
    """The text for a bench file; each kind with its nodes as Slurm writes them, and its answer."""
    return "\n".join(
        (
            "# What the cards of this cluster's nodes are, for snakemake --executor nvinx-slurm.",
            "cluster:",
            *(line for kind in kinds for line in _lines(*kind)),
            "",
        )
    )


def _lines(kind: Kind, names: str, said: Said) -> Iterator[str]:
    node = kind.nodes[0]
    yield f"  - nodes: {json.dumps(names)}  # {_counts(node)}"
    card = said.card_name or node.card_name
    if card:
        yield f"    card: {json.dumps(card, ensure_ascii=False)}"
    if said.mib is None:
        why = f" ({said.problem})" if said.problem else ""
        yield f"    vram_gb: 0  # write what one card has; nvidia-smi on {kind.name} says it{why}"
    else:
        yield f"    vram_gb: {rounded_gb(said.mib):g}"


def _counts(node: Node) -> str:
    cards = "1 card" if node.cards == 1 else f"{node.cards} cards"
    return f"{cards}, {node.per_card} shards each" if node.shards else f"{cards}, no shards"
