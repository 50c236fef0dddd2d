"""A cluster's nodes, and what to ask Slurm for so that jobs meet on cards as they declared. Pure.

Slurm counts shards and knows nothing of VRAM, so a job that shares asks for as many shards as hold
what it declared. One that wants a card alone asks for all shards of it: Slurm 22.05 would start a
`gpu:1` beside them. One that wants several asks for whole cards, and where such a Slurm gives it
cards whose shards are in use, the node's own ledger has it wait for them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.bench.capacity import Capacity, Card
from nvinx.errors import ImpossibleJobError
from nvinx.formatting import few_names, gb
from nvinx.jobs import gpu_hint
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nvinx.jobs.claim import Claim

_BY_FROM_SLURM = (
    "write it in the bench file under cluster: (nvinx bench --from-slurm writes a draft)"
)


@dataclass(frozen=True, slots=True)
class Node:
    """As Slurm counts it, RAM and VRAM in MiB.

    shards: of all its cards together. card_mib: VRAM of each card that jobs may have, None where
    nobody said. card_name: what its cards are called. partitions, features: by which jobs choose
    nodes.
    """

    name: str
    cpus: int
    ram_mib: int
    cards: int = 0
    shards: int = 0
    card_mib: int | None = None
    card_name: str | None = None
    is_up: bool = True
    partitions: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()

    @property
    def per_card(self) -> int:
        """Shards of one card."""
        return self.shards // self.cards if self.cards else 0

    @property
    def shard_mib(self) -> int:
        """VRAM that one shard stands for."""
        return (self.card_mib or 0) // self.per_card if self.per_card else 0


@dataclass(frozen=True, slots=True)
class Ask:
    """What one job asks Slurm for.

    gres: as in `--gres`, empty for none. not_on: nodes where it would mean something else. claim:
    how the job is placed on its node. card_mib: of the smallest card that it may get, 0 for none.
    """

    claim: Claim
    gres: str = ""
    not_on: frozenset[str] = frozenset()
    card_mib: int = 0


class Cluster:
    """All nodes of a cluster, or a part of it.

    of: what makes that part, as words behind "node". with_cards: all partitions that have cards.
    """

    def __init__(self, nodes: Sequence[Node], of: str = "", with_cards: Sequence[str] = ()) -> None:
        self.nodes = tuple(nodes)
        self._of, self._with_cards = of, with_cards

    @property
    def has_shards(self) -> bool:
        return any(node.shards for node in self.nodes)

    def capacity(self) -> Capacity:
        """The largest of everything that one node has: what a job could grow to."""
        sizes = {node.card_mib for node in self.nodes if node.cards and node.card_mib}
        return Capacity(
            tuple(
                Card(id=f"card-{mib}", index=n, name="card", total_mib=mib)
                for n, mib in enumerate(sorted(sizes))
            ),
            max((node.cpus for node in self.nodes), default=0),
            max((node.ram_mib for node in self.nodes), default=0),
        )

    def ask(self, rule: str, claim: Claim) -> Ask:
        """What to ask for a job of a rule; of a range of VRAM the least, which it has to its end.

        Raises ImpossibleJobError when no node can run it.
        """
        claim = replace(claim, elastic_mib=0)
        able = [n for n in self.nodes if n.cpus >= claim.cores and n.ram_mib >= claim.ram_mib]
        if not able:
            raise ImpossibleJobError(rule, *self._too_much(claim))
        if not claim.uses_gpu:
            return Ask(claim)
        cards = [
            node
            for node in able
            if node.cards >= claim.cards.least
            and gpu_hint.matches(claim.card_name, node.card_name or "")
        ]
        _demand_sizes(rule, claim, cards)
        wanted, claim = claim, replace(claim, card_name=None)  # the nodes below are all so
        wide = [n for n in cards if (n.card_mib or 0) >= (claim.vram_mib or 0)]
        if wide and claim.is_gang and not claim.may_overflow:
            return _several(claim.with_whole_card(), wide, self.nodes)
        if wide and claim.residency is Residency.GPU_SHARED:
            return _shared(claim, wide, self.nodes)
        if wide and claim.residency is Residency.GPU_EXCLUSIVE:
            return _whole(claim, wide, self.nodes)
        number = claim.cards.least
        spilling = [n for n in cards if number * (n.card_mib or 0) >= claim.least_on_card_mib]
        if spilling and claim.may_overflow:
            spills = replace(claim.with_whole_card(), residency=Residency.GPU_RAM_OVERFLOW)
            ask = _several if claim.is_gang else _whole
            return ask(spills, spilling, self.nodes)
        if claim.cpu_fallback:
            alone = claim.with_whole_card()
            return Ask(replace(alone, residency=Residency.CPU_ONLY, vram_mib=None))
        raise ImpossibleJobError(rule, self._no_card(wanted, cards), self._fix(cards))

    def _too_much(self, claim: Claim) -> tuple[str, str]:
        """The problem and its fix."""
        if not self.nodes:
            fix = "name another partition (slurm_partition), or exclude fewer nodes"
            return f"there is no node{self._of}", fix
        most = self.capacity()
        problem = (
            f"needs {claim.cores} cores and {gb(claim.ram_mib)} of RAM on one node, and no "
            f"node{self._of} has both (the most there is: {most.cores} cores, {gb(most.ram_mib)})"
        )
        return problem, "ask for less in the rule"

    def _no_card(self, claim: Claim, cards: Sequence[Node]) -> str:
        if not cards:
            most = max((node.cards for node in self.nodes), default=0)
            if 0 < most < claim.cards.least:
                return (
                    f"wants {claim.cards.text} at once, and no node{self._of} has more than {most}"
                )
            has = most > 0
            if has and claim.card_name is not None:
                return f"wants a {claim.card_name}, and no node{self._of} is known to have one"
            why = " with enough cores and RAM" if has else "" if self._of else " in this cluster"
            return f"needs a card, and no node{self._of} has one{why}"
        largest = max(node.card_mib or 0 for node in cards)
        there = f" on a node{self._of}" if self._of else ""
        return f"needs {gb(claim.vram_mib)}, the largest card{there} has {gb(largest)}"

    def _fix(self, cards: Sequence[Node]) -> str:
        if cards:
            return "let it spill (ram_overflow=1 with mem_mb) or run on the CPU (cpu_fallback=1)"
        if self._with_cards:
            partitions = few_names(self._with_cards)
            return (
                f"let it use nodes with cards (slurm_partition; those of {partitions} have some), "
                "or run on the CPU (cpu_fallback=1)"
            )
        return "let it run on the CPU (cpu_fallback=1), or ask for fewer cores or less RAM"


def _demand_sizes(rule: str, claim: Claim, cards: Iterable[Node]) -> None:
    unknown = sorted(node.name for node in cards if node.card_mib is None)
    if unknown and claim.vram_mib is not None:
        problem = f"declares VRAM, but the VRAM of the cards of {few_names(unknown)} is unknown"
        raise ImpossibleJobError(rule, problem, _BY_FROM_SLURM)


def _shared(claim: Claim, wide: Sequence[Node], nodes: Collection[Node]) -> Ask:
    """As many shards as hold the VRAM; with cards of several kinds, so that most such jobs fit."""
    sharded = [node for node in wide if node.shards]
    if not sharded:
        return _whole(claim.with_whole_card(), wide, nodes)
    plans = []
    for count in sorted({_shards(claim, node) for node in sharded}, reverse=True):
        fit = [n for n in sharded if _shards(claim, n) <= count <= n.per_card]
        places = sum(node.cards * (node.per_card // count) for node in fit)
        plans.append((places, len(fit), count, fit))
    _, _, count, fit = max(plans, key=lambda plan: plan[:2])
    if not fit:  # a shard is rounded down, so nearly a card may be one more than it has
        return _whole(claim.with_whole_card(), wide, nodes)
    names = {node.name for node in fit}
    others = frozenset(n.name for n in nodes if n.per_card >= count and n.name not in names)
    return Ask(claim, f"shard:{count}", others, _least_mib(fit))


def _shards(claim: Claim, node: Node) -> int:
    """The shards of a node's card that hold a job.

    Of a part of a card that part, rounded down, but so many that Slurm puts no more such jobs on
    the card than it has such parts, since the next would wait on its node.
    """
    if claim.share is not None:
        fewest = node.per_card // (claim.share.fit + 1) + 1
        return max(node.per_card * claim.share.parts // claim.share.of, fewest)
    return -(-(claim.vram_mib or 0) // node.shard_mib)


def _whole(claim: Claim, wide: Sequence[Node], nodes: Collection[Node]) -> Ask:
    """A card alone, of the kind that most cards are of: all its shards, or the card itself."""
    kinds: dict[int, list[Node]] = defaultdict(list)
    for node in wide:
        kinds[node.per_card].append(node)
    per_card, fit = max(kinds.items(), key=lambda kind: (sum(n.cards for n in kind[1]), kind[0]))
    names = {node.name for node in fit}
    others = frozenset(
        node.name
        for node in nodes
        if node.cards and node.per_card >= per_card and node.name not in names
    )
    gres = f"shard:{per_card}" if per_card else "gpu:1"
    return Ask(claim, gres, others, _least_mib(fit))


def _several(claim: Claim, wide: Sequence[Node], nodes: Collection[Node]) -> Ask:
    """Whole cards of one node: Slurm takes a job's shards from one card alone.

    One that takes as many as are free gets the fewest, as Slurm knows no such wish.
    """
    number, names = claim.cards.least, {node.name for node in wide}
    others = frozenset(n.name for n in nodes if n.cards >= number and n.name not in names)
    return Ask(claim.with_cards(number), f"gpu:{number}", others, _least_mib(wide))


def _least_mib(nodes: Iterable[Node]) -> int:
    return min(node.card_mib or 0 for node in nodes)
