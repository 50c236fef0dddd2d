"""Adds up the work of those who run, by who was beside them when. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nvinx.admission.done import Done

if TYPE_CHECKING:
    from nvinx.admission.estimates import Estimates
    from nvinx.admission.state import State


class Progress:
    """Adds up work from one look to the next; between two, everybody stays who was seen last.

    So it has to look when somebody has started as well as when somebody has ended.
    """

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self.done = Done()

    def observe(self, state: State, at: float) -> None:
        """These run at time `at` (seconds), and those who are suspended stand still."""
        paces = self._paces_of(state)
        seconds = {}
        for job_id in state.suspended:
            stood_s = self.done.by(job_id, at)
            if stood_s is not None:
                seconds[job_id], paces[job_id] = stood_s, 0.0
        for job_id, running in state.running.items():
            known_s = self.done.by(job_id, at)
            seconds[job_id] = (at - running.since) * paces[job_id] if known_s is None else known_s
        self.done = Done(at, seconds, paces)

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
