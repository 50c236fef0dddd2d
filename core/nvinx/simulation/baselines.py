"""Policies of other engines, for comparison in simulations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.admission.first_fit import VramFifo
from nvinx.admission.policy import LongestChainFirst
from nvinx.simulation.simulate import planner_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nvinx.admission.availability import Availability
    from nvinx.admission.events import Policy
    from nvinx.admission.job import Waiting
    from nvinx.admission.planner.planner import Planner
    from nvinx.admission.state import State
    from nvinx.jobs.claim import Claim
    from nvinx.simulation.workload import Workload


class Serial(VramFifo):
    """One GPU job at a time, first come, first served, as with `gpu=1` on every rule."""

    def __init__(self) -> None:
        super().__init__()
        self._estimates = _NoGain()

    def _queue(self, state: State, at: float, free: Availability) -> Iterator[Iterable[Waiting]]:
        """Nobody is asked in vain once each card has its job, where no other kind waits."""
        for part in super()._queue(state, at, free):
            have_jobs = all(free.residents(card.id) for card in state.capacity.cards)
            if have_jobs and state.waiting.on_gpu == len(state.waiting):
                return
            yield part


class _NoGain(Estimates):
    def gain(self, claim: Claim, residents: Sequence[Claim]) -> tuple[float, float]:  # noqa: ARG002
        return 1.0, 1.0


def as_in_a_run(
    name: str, workload: Workload, estimates: Estimates
) -> tuple[Policy, Planner | None]:
    """The policy of this name, with what looks ahead for it in a run of this workload."""
    planner = planner_for(workload, estimates) if name == "nvinx" else None
    return POLICIES[name](estimates), planner


POLICIES: Mapping[str, Callable[[Estimates], Policy]] = {
    "nvinx": LongestChainFirst,
    "serial": lambda _: Serial(),
    "vram-fifo": lambda _: VramFifo(),
}
