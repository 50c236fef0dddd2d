"""Whom it pays to leave alone on a card once, so that its time alone becomes known. Pure.

A rule that was only ever seen beside others is measured alone where that costs next to nothing:
where those who wait would gain little beside it, or nobody waits. Where runs tell so little of it
that they cannot say what sharing costs, a short one is measured whatever it costs, when its turn
comes.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nvinx.admission import queue_order
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.estimates import Estimates
    from nvinx.admission.job import Waiting
    from nvinx.admission.waiting_queue import Queue
    from nvinx.jobs.claim import Claim

SHORT_S = 600.0
CHEAP = 0.002  # of the work that waits: as much may be lost by measuring one job
_LOOKED_AT = 50  # jobs at the front of the queue: what more there is makes it no dearer


class Measuring:
    """One round's answers; the front of the queue is looked at when first asked for."""

    def __init__(self, estimates: Estimates, queue: Queue, at: float) -> None:
        self._estimates, self._queue, self._at = estimates, queue, at
        self._front: Sequence[Waiting] | None = None

    def pays(self, claim: Claim) -> bool:
        """Whether this one had better stay alone, if it starts on an empty card."""
        if not self._wants_alone(claim):
            return False
        return self._is_cheap(claim) or (_is_short(claim) and self._estimates.is_vague(claim))

    def first(self) -> Waiting | None:
        """Who is let forward onto an empty card, since measuring it costs next to nothing.

        Never before one that needs the whole card, or one of a higher priority.
        """
        front = self._waiting()
        if not front or not _shares(front[0]):
            return None
        priority = front[0].job.claim.priority
        return next((w for w in front if self._may_go_first(w, priority)), None)

    def _may_go_first(self, waiting: Waiting, priority: int) -> bool:
        claim = waiting.job.claim
        like_first = _shares(waiting) and not waiting.held and claim.priority == priority
        like_first = like_first and not claim.is_gang
        return like_first and self._wants_alone(claim) and self._is_cheap(claim)

    def _wants_alone(self, claim: Claim) -> bool:
        """Not one of a range of VRAM: it makes room for others, however long it runs."""
        return not claim.elastic_mib and self._estimates.wants_alone(claim)

    def _is_cheap(self, claim: Claim) -> bool:
        """Whether those who wait would hardly get more done beside it."""
        others = [w.job.claim for w in self._waiting() if _shares(w) and w.job.claim is not claim]
        if not others:
            return True
        if claim.runtime_s is None:
            return False
        gains = [self._estimates.gain_beside(claim, other) for other in others]
        work_s = claim.runtime_s + sum(other.runtime_s or 0.0 for other in others)
        return claim.runtime_s * sum(gains) / len(gains) <= CHEAP * work_s

    def _waiting(self) -> Sequence[Waiting]:
        if self._front is None:
            self._front = tuple(islice(queue_order.front(self._queue, self._at), _LOOKED_AT))
        return self._front


def _shares(waiting: Waiting) -> bool:
    return waiting.job.claim.residency is Residency.GPU_SHARED


def _is_short(claim: Claim) -> bool:
    return (claim.runtime_s or 0.0) <= SHORT_S
