"""Keeps jobs that slow each other down too much off each other's nodes, where Slurm places. Pure.

Slurm decides where a job runs, so the only word is which nodes a job may not use. Two jobs that
conflict are never given a node in common while both are queued or running; where no node is left,
the later one is held back.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nvinx.jobs.claim import Claim

PATIENCE_S = 600.0


@dataclass(slots=True, eq=False)
class _Kind:
    """Jobs of which it is the same who must not meet them. in_use: how many may use each node."""

    claim: Claim
    in_use: Counter[str] = field(default_factory=Counter)
    queues: dict[frozenset[str], dict[str, _Held]] = field(default_factory=dict)

    def occupy(self, nodes: Iterable[str]) -> None:
        self.in_use.update(nodes)

    def vacate(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self.in_use[node] -= 1
            if not self.in_use[node]:
                del self.in_use[node]


@dataclass(frozen=True, slots=True)
class _Use:
    kind: _Kind
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Held:
    kind: _Kind
    nodes: frozenset[str]
    since: float
    number: int


class AntiAffinity:
    """The jobs of one run that share cards, and the nodes that each may use.

    conflict: whether two jobs must not meet, by their profiles and `max_slowdown`. to_come: work of
    each profile that has not entered yet, in any unit; a profile leaves those that it conflicts
    with their part of all that is to come, and once they have none it may go wherever nobody is.
    """

    def __init__(
        self, conflict: Callable[[Claim, Claim], bool], to_come: Mapping[str, float] | None = None
    ) -> None:
        self._conflict = conflict
        self._to_come = dict(to_come or {})
        self._kinds: dict[tuple[str, float | None], _Kind] = {}
        self._uses: dict[str, _Use] = {}
        self._held: dict[str, _Held] = {}
        self._numbers = 0
        self._full: set[tuple[_Kind, frozenset[str]]] = set()
        self._rivals: dict[str, dict[str, Claim]] = {}
        self._seen: dict[str, Claim] = {}

    def expect(self, claims: Iterable[Claim]) -> None:
        """Jobs that are still to come: who they are, and how much they are."""
        for claim in (each for each in claims if each.residency.shares_card):
            self._to_come[claim.profile] = self._to_come.get(claim.profile, 0.0) + _work(claim)
            self._note(claim)

    def _arrived(self, claim: Claim) -> None:
        """It is no longer to come."""
        left = self._to_come.get(claim.profile, 0.0) - _work(claim)
        self._to_come[claim.profile] = max(left, 0.0)

    def enter(
        self, job_id: str, claim: Claim, nodes: Iterable[str], at: float
    ) -> frozenset[str] | None:
        """Those of the nodes that a job may use, all it could use being given; None: not now.

        A job that was held back is asked for again with the same id; one that shares no card meets
        nobody. at: seconds.
        """
        if not claim.residency.shares_card:
            return frozenset(nodes)
        self._note(claim)
        kind, could = self._kind(claim), frozenset(nodes)
        free = self._free(kind, could)
        if not free or self._must_wait(job_id, kind, free, at):
            self._hold(job_id, kind, could, at)
            return None
        mine = self._share(kind, could, free)
        self._arrived(claim)
        self._release(job_id)
        self._uses[job_id] = _Use(kind, mine)
        kind.occupy(mine)
        return mine

    def on(self, job_id: str, node: str) -> None:
        """It runs there, so its other nodes are free again."""
        use = self._uses.get(job_id)
        if use is not None and use.nodes != {node}:
            self._vacate(use)
            self._uses[job_id] = _Use(use.kind, frozenset([node]))
            use.kind.occupy([node])

    def leave(self, job_id: str) -> None:
        use = self._uses.pop(job_id, None)
        if use is not None:
            self._vacate(use)
        self._release(job_id)

    def _kind(self, claim: Claim) -> _Kind:
        key = (claim.profile, claim.max_slowdown)
        if key not in self._kinds:
            self._kinds[key] = _Kind(claim)
        return self._kinds[key]

    def _vacate(self, use: _Use) -> None:
        use.kind.vacate(use.nodes)
        self._full.clear()

    def _free(self, kind: _Kind, could: frozenset[str]) -> frozenset[str]:
        """Those where nobody is, or may come, who conflicts with it.

        A thousand jobs may be held back alike, so it is remembered that there was none.
        """
        if (kind, could) in self._full:
            return frozenset()
        others = (
            o for o in self._kinds.values() if o.in_use and self._conflict(kind.claim, o.claim)
        )
        free = could.difference(*(other.in_use for other in others))
        if not free:
            self._full.add((kind, could))
        return free

    def _hold(self, job_id: str, kind: _Kind, could: frozenset[str], at: float) -> None:
        if job_id not in self._held:
            self._numbers += 1
            held = self._held[job_id] = _Held(kind, could, at, self._numbers)
            kind.queues.setdefault(could, {})[job_id] = held

    def _release(self, job_id: str) -> None:
        held = self._held.pop(job_id, None)
        if held is not None:
            queue = held.kind.queues[held.nodes]
            del queue[job_id]
            if not queue:
                del held.kind.queues[held.nodes]

    def _note(self, claim: Claim) -> None:
        """Take note of a profile, and of who conflicts with it."""
        name = claim.profile
        if name in self._seen:
            return
        mine = self._rivals.setdefault(name, {})
        for other, known in self._seen.items():
            if self._conflict(claim, known):
                mine[other] = known
                self._rivals[other][name] = claim
        self._seen[name] = claim

    def _must_wait(self, job_id: str, kind: _Kind, free: frozenset[str], at: float) -> bool:
        """Whether somebody who conflicts with it was held back for so long that it must wait too.

        Of those held back alike the oldest speaks; whoever is older than it need not wait.
        """
        mine = self._held.get(job_id)
        before = math.inf if mine is None else mine.number
        for other in self._kinds.values():
            oldest = [next(iter(queue.values())) for queue in other.queues.values()]
            if any(
                held.number < before and at - held.since >= PATIENCE_S and held.nodes & free
                for held in oldest
            ) and self._conflict(kind.claim, other.claim):
                return True
        return False

    def _share(self, kind: _Kind, could: frozenset[str], free: frozenset[str]) -> frozenset[str]:
        """All free nodes where nobody conflicts; else what their work leaves, beside its like."""
        claim = kind.claim
        rivals = self._rivals[claim.profile]
        if self._conflict(claim, claim):
            return frozenset(sorted(free)[:1])
        if not rivals:
            return free
        against = sum(self._to_come.get(name, 0.0) for name in rivals)
        everything = sum(self._to_come.values()) or 1.0
        share = max(math.floor(len(could) * (1.0 - against / everything)), 1)
        alike = (k.in_use for k in self._kinds.values() if k.claim.profile == claim.profile)
        known = free.intersection(frozenset().union(*alike))
        more = sorted(free - known)[: max(share - len(known), 0)]
        return known.union(more)


def _work(claim: Claim) -> float:
    return (claim.runtime_s or 1.0) * (claim.vram_mib or 1)
