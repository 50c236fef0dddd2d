"""What is taken for the run time of a job that nobody knows. Pure."""

from __future__ import annotations

from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.admission.state import State
    from nvinx.jobs.claim import Claim

CPU_SLOWER = 4.0  # how many times as long a job takes on the CPU, where one of the two is known
_MINUTE_S = 60.0
_LOOKED_AT = 100  # jobs at the front of the queue: those behind tell little more


def known_on_card_s(claim: Claim) -> float | None:
    """As known, else by its time on the CPU; None where nobody knows that either."""
    if claim.runtime_s is None and claim.cpu_runtime_s is not None:
        return claim.cpu_runtime_s / CPU_SLOWER
    return claim.runtime_s


class RunTimes:
    """One round's run times; the jobs are looked at when the first unknown one is asked for."""

    def __init__(self, state: State) -> None:
        self._state = state

    def on_card_s(self, claim: Claim) -> float:
        """Alone on a card: as known, else by its time on the CPU, else the median of all known."""
        known_s = known_on_card_s(claim)
        return self.usual_s if known_s is None else known_s

    @cached_property
    def usual_s(self) -> float:
        """The median of those who run or wait for a card; a minute where none is known."""
        front = islice(self._state.waiting.in_line(on_cpu=False), _LOOKED_AT)
        jobs = chain((r.job for r in self._state.running.values()), (w.job for w in front))
        claims = (job.claim for job in jobs)
        known = sorted(c.runtime_s for c in claims if c.uses_gpu and c.runtime_s is not None)
        return known[len(known) // 2] if known else _MINUTE_S
