"""Nodes and a queue that distribute jobs much as Slurm does, in simulated time.

First come, first served, with backfill: whoever is first in line and does not fit gets the card
that will have room soonest by declared run times, and until then only jobs that are over by then
start there. Others overtake. A job gets its shards on one card, on the first of its nodes, or on
the one with most shards free.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.jobs.claim import Claim
    from nvinx.slurm.cluster import Node


@dataclass(slots=True, eq=False)
class Asked:
    """A job in the queue: what it asked for, and where it may run. left_s: of its work, alone."""

    name: str
    claim: Claim
    shards: int
    nodes: frozenset[str]
    left_s: float
    order: int = 0
    start_s: float = 0.0

    @property
    def alike(self) -> tuple[int, int, frozenset[str]]:
        """Jobs of which this is equal fit wherever any of them fits."""
        return self.shards, self.claim.cores, self.nodes

    def declared_end_s(self, start_s: float) -> float:
        return start_s + (self.claim.runtime_s or 0.0)


@dataclass(slots=True, eq=False)
class Place:
    """A card, or a node's cores without any. since: when the work of its jobs was last reckoned."""

    node: Machine
    shards: int
    jobs: list[Asked] = field(default_factory=list)
    free: int = 0
    since: float = 0.0
    changes: int = 0

    def room_s(self, asked: Asked, at: float) -> float:
        """When it should have the shards that a job asks for, by declared run times."""
        free, when = self.free, at
        for job in sorted(self.jobs, key=lambda job: job.declared_end_s(job.start_s)):
            if free >= asked.shards:
                break
            free, when = free + job.shards, max(job.declared_end_s(job.start_s), at)
        return when


@dataclass(slots=True, eq=False)
class Machine:
    """A node: its cards, and a place for jobs without one."""

    name: str
    cores: int
    cards: list[Place] = field(default_factory=list)
    no_card: Place = field(init=False)

    def __post_init__(self) -> None:
        self.no_card = Place(self, 0)

    @property
    def free(self) -> int:
        return sum(card.free for card in self.cards)


class Queue:
    """Starts jobs by `submit` and `leave`; each yields the places where one has started."""

    def __init__(self, nodes: Sequence[Node], *, least_loaded: bool = False) -> None:
        self.machines = {node.name: Machine(node.name, node.cpus) for node in nodes}
        for node in nodes:
            made = self.machines[node.name]
            made.cards = [Place(made, node.per_card, free=node.per_card) for _ in range(node.cards)]
        self._least_loaded = least_loaded
        self._waiting: dict[tuple[int, int, frozenset[str]], deque[Asked]] = {}
        self._orders = 0
        self._promise: tuple[Asked, Place, float] | None = None

    def submit(self, asked: Asked, at: float) -> Place | None:
        """The place where it starts at once; None where it waits."""
        asked.order = self._orders = self._orders + 1
        machines = [self.machines[name] for name in sorted(asked.nodes)]
        if self._least_loaded:
            machines.sort(key=lambda machine: -machine.free)
        for machine in machines:
            if place := self._room(machine, asked, at):
                self._start(asked, place, at)
                return place
        self._waiting.setdefault(asked.alike, deque()).append(asked)
        self._look_ahead(at)
        return None

    def leave(self, asked: Asked, place: Place, at: float) -> Iterator[tuple[Asked, Place]]:
        """Take a job away that has ended; all who start in its room."""
        place.jobs.remove(asked)
        place.free += asked.shards
        place.node.cores += asked.claim.cores
        while found := self._next(place.node, at):
            waiting, its = found
            line = self._waiting[waiting.alike]
            line.popleft()
            if not line:
                del self._waiting[waiting.alike]
            self._start(waiting, its, at)
            self._look_ahead(at)
            yield waiting, its

    def _next(self, machine: Machine, at: float) -> tuple[Asked, Place] | None:
        """The first in line of all who fit there now."""
        best = None
        for line in self._waiting.values():
            first = line[0]
            if machine.name in first.nodes and (best is None or first.order < best[0].order):
                place = self._room(machine, first, at)
                best = (first, place) if place else best
        return best

    def _room(self, machine: Machine, asked: Asked, at: float) -> Place | None:
        if machine.cores < asked.claim.cores:
            return None
        if not asked.shards:
            return machine.no_card
        fit = (c for c in machine.cards if c.free >= asked.shards and self._may(c, asked, at))
        return next(fit, None)

    def _may(self, card: Place, asked: Asked, at: float) -> bool:
        """Whether nobody else was promised the card by when the job is over."""
        if self._promise is None or self._promise[1] is not card or self._promise[0] is asked:
            return True
        return asked.declared_end_s(at) <= self._promise[2]

    def _start(self, asked: Asked, place: Place, at: float) -> None:
        asked.start_s = at
        place.jobs.append(asked)
        place.free -= asked.shards
        place.node.cores -= asked.claim.cores
        if self._promise is not None and self._promise[0] is asked:
            self._promise = None

    def _look_ahead(self, at: float) -> None:
        """Promise the first who waits for a card the one that has room soonest."""
        if self._promise is not None:
            return
        waiting = [line[0] for line in self._waiting.values() if line[0].shards]
        if waiting:
            first = min(waiting, key=lambda asked: asked.order)
            cards = (c for name in sorted(first.nodes) for c in self.machines[name].cards)
            when, _, card = min((c.room_s(first, at), k, c) for k, c in enumerate(cards))
            self._promise = first, card, when
