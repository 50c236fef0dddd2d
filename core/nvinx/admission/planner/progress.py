"""How much of their work those who run have left, by who was beside them when. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.admission.estimates import Estimates
    from nvinx.admission.state import State

_LEAST_S = 1e-3
_ROUNDING = 1e-6  # of its work: one that is this late is about to end
_LATE = 0.5  # of its age is given to one that runs longer than expected


class Progress:
    """Adds up work from one look to the next; between two, everybody stays who was seen last.

    So it has to look when somebody has started as well as when somebody has ended.
    """

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._done_s: dict[str, float] = {}
        self._paces: dict[str, float] = {}
        self._at = 0.0

    def observe(self, state: State, at: float) -> None:
        """These run at time `at` (seconds)."""
        paces = self._paces_of(state)
        done = {}
        for job_id, running in state.running.items():
            pace = self._paces.get(job_id, paces[job_id])
            known_s = self._done_s.get(job_id)
            begun = self._at if known_s is not None else running.since
            done[job_id] = (known_s or 0.0) + (at - begun) * pace
        self._done_s, self._paces, self._at = done, paces, at

    def left_s(self, job_id: str, work_s: float) -> float:
        """Of so much work, in seconds alone."""
        done_s = self._done_s.get(job_id, 0.0)
        is_late = self.is_late(job_id, work_s)
        return max(_LATE * done_s if is_late else work_s - done_s, _LEAST_S)

    def is_late(self, job_id: str, work_s: float) -> bool:
        """Whether it has done more than so much work."""
        return self._done_s.get(job_id, 0.0) > (1.0 + _ROUNDING) * work_s

    def _paces_of(self, state: State) -> dict[str, float]:
        """Of each job; where it has several cards, as on the slowest."""
        paces = dict.fromkeys(state.running, 1.0)
        on_card = defaultdict(list)
        for running in state.running.values():
            for card in running.placement.cards:
                on_card[card].append(running.job)
        for there in on_card.values():
            for job in there:
                others = [other.claim for other in there if other is not job]
                pace = 1.0 / self._estimates.slowdown(job.claim, others)
                paces[job.id] = min(paces[job.id], pace)
        return paces
