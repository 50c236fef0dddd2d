"""Keeps jobs that slow each other down too much off each other's nodes, where Slurm places. Pure.

Slurm decides where a job runs, so the only word is which nodes a job may not use. Two jobs that
clash are never given a node in common while both are queued or running; where no node is left, the
later one is held back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nvinx.claim import Claim

PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class _Seat:
    claim: Claim
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Held:
    claim: Claim
    nodes: frozenset[str]
    since: float


class Apart:
    """The jobs of one run that share cards, and the nodes that each may use.

    clash: whether two jobs must not meet. to_come: work of each profile that is still to be done,
    in any unit; profiles that clash divide the nodes in this proportion.
    """

    def __init__(
        self, clash: Callable[[Claim, Claim], bool], to_come: Mapping[str, float] | None = None
    ) -> None:
        self._clash = clash
        self._to_come = dict(to_come or {})
        self._seats: dict[str, _Seat] = {}
        self._held: dict[str, _Held] = {}
        self._rivals: dict[str, dict[str, Claim]] = {}
        self._seen: dict[str, Claim] = {}

    def expect(self, claims: Iterable[Claim]) -> None:
        """Jobs that are still to come: who they are, and how much they are."""
        for claim in claims:
            work = (claim.runtime_s or 1.0) * (claim.vram_mib or 1)
            self._to_come[claim.profile] = self._to_come.get(claim.profile, 0.0) + work
            self._meet(claim)

    def enter(
        self, job_id: str, claim: Claim, nodes: Iterable[str], at: float
    ) -> frozenset[str] | None:
        """Those of the nodes that a job may use, all it could use being given; None: not now.

        A job that was held back is asked for again with the same id. at: seconds.
        """
        self._meet(claim)
        could = frozenset(nodes)
        taken = [s.nodes for s in self._seats.values() if self._clash(claim, s.claim)]
        free = could.difference(*taken)
        if not free or self._owes(job_id, claim, free, at):
            self._held.setdefault(job_id, _Held(claim, could, at))
            return None
        mine = self._part(claim, could, free)
        self._held.pop(job_id, None)
        self._seats[job_id] = _Seat(claim, mine)
        return mine

    def on(self, job_id: str, node: str) -> None:
        """It runs there, so its other nodes are free again."""
        seat = self._seats.get(job_id)
        if seat is not None:
            self._seats[job_id] = _Seat(seat.claim, frozenset([node]))

    def leave(self, job_id: str) -> None:
        self._seats.pop(job_id, None)
        self._held.pop(job_id, None)

    def _meet(self, claim: Claim) -> None:
        """Take note of a profile, and of who clashes with it."""
        name = claim.profile
        if name in self._seen:
            return
        mine = self._rivals.setdefault(name, {})
        for other, known in self._seen.items():
            if self._clash(claim, known):
                mine[other] = known
                self._rivals[other][name] = claim
        self._seen[name] = claim

    def _owes(self, job_id: str, claim: Claim, free: frozenset[str], at: float) -> bool:
        """Whether somebody who clashes with it was held back for so long that it must wait too."""
        for other, held in self._held.items():
            if other == job_id:
                return False  # the oldest comes first
            waited_long = at - held.since >= PATIENCE_S
            if waited_long and held.nodes & free and self._clash(claim, held.claim):
                return True
        return False

    def _part(self, claim: Claim, could: frozenset[str], free: frozenset[str]) -> frozenset[str]:
        """All free nodes where nobody clashes; else its kind's share, where its like are first."""
        rivals = self._rivals[claim.profile]
        if self._clash(claim, claim):
            return frozenset(sorted(free)[:1])
        if not rivals:
            return free
        weight = self._to_come.get(claim.profile, 0.0) or 1.0
        others = sum(self._to_come.get(name, 0.0) for name in rivals)
        share = max(math.floor(len(could) * weight / (weight + others)), 1)
        like = [s.nodes for s in self._seats.values() if s.claim.profile == claim.profile]
        known = free.intersection(frozenset().union(*like))
        more = sorted(free - known)[: max(share - len(known), 0)]
        return known.union(more)
