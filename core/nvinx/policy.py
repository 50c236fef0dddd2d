"""Which waiting jobs start now. This file holds all of nvinx's opinions; `admission` has none.

The policy here is "oldest first, with back-fill": jobs go by priority, then by age. Jobs that can
use a card are asked first, so that CPU work never keeps a card idle. A job that does not fit lets
younger ones pass, but only for `patience_s`; after that the card (or the cores, or the RAM) that
it waits for is kept for it, so an exclusive job is delayed by at most `patience_s` plus what is
running by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nvinx.admission import Placement, Start
from nvinx.catalog import Residency
from nvinx.reasons import Reason, Why
from nvinx.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.admission import Capacity, Card, Job, State, Waiting
    from nvinx.claim import Claim


class Policy(Protocol):
    """What `admission.step` asks of a policy; all of it pure."""

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        """The waiting jobs in the order in which `admit` asks them."""
        ...

    def admit(self, state: State, at: float) -> tuple[Start, ...]:
        """The waiting jobs to start at time `at` (seconds), with their placements."""
        ...

    def never(self, job: Job, capacity: Capacity) -> Reason | None:
        """Why this job can never run on this bench, or None when it can."""
        ...

    def reasons(self, state: State, at: float) -> dict[str, Reason]:
        """Why each waiting job waits, by job id."""
        ...


@dataclass(frozen=True, slots=True)
class OldestFirst:
    """Oldest first with back-fill; see the head of this file."""

    patience_s: float = 60.0

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        """GPU jobs before CPU jobs, then by priority, then oldest first (mappings keep arrival).

        Within the CPU jobs those without cores come first, so that a round may end at the first
        job that finds no core free.
        """
        return dict(sorted(waiting.items(), key=lambda item: _place_in_line(item[1])))

    def admit(self, state: State, at: float) -> tuple[Start, ...]:
        verdicts = self._walk(state, at, stop_when_full=True)
        return tuple(Start(w.job.id, v) for w, v in verdicts if isinstance(v, Placement))

    def never(self, job: Job, capacity: Capacity) -> Reason | None:
        if job.claim.cores > capacity.cores:
            return Reason(job.name, Why.NOT_ENOUGH_CORES, job.claim.cores, capacity.cores)
        if capacity.ram_mib is not None and job.claim.ram_mib > capacity.ram_mib:
            return Reason(job.name, Why.NOT_ENOUGH_RAM, job.claim.ram_mib, capacity.ram_mib)
        option = options(job.claim, capacity)
        return None if option else _does_not_fit(job, capacity)

    def reasons(self, state: State, at: float) -> dict[str, Reason]:
        verdicts = self._walk(state, at, stop_when_full=False)
        return {w.job.id: v for w, v in verdicts if isinstance(v, Reason)}

    def _walk(
        self, state: State, at: float, *, stop_when_full: bool
    ) -> Iterator[tuple[Waiting, Placement | Reason]]:
        """Ask each waiting job in turn, taking room for those that start."""
        if not state.waiting:
            return
        room = Room.of(state)
        for waiting in state.waiting.values():
            claim = waiting.job.claim
            if stop_when_full and room.free_cores <= 0 and claim.cores > 0:
                if claim.uses_gpu:
                    continue
                return
            verdict = _decide(waiting.job, state.capacity, room)
            if isinstance(verdict, Placement):
                room.take(waiting.job, verdict)
            else:
                patient = at - waiting.since < self.patience_s
                room.keep_for(waiting.job, verdict, _fitting(waiting.job, state), patient=patient)
            yield waiting, verdict


class Nothing:
    """Starts nothing: for a state that is about to be completed before anything is decided."""

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        return dict(waiting)

    def admit(self, state: State, at: float) -> tuple[Start, ...]:  # noqa: ARG002
        return ()

    def never(self, job: Job, capacity: Capacity) -> Reason | None:  # noqa: ARG002
        return None

    def reasons(self, state: State, at: float) -> dict[str, Reason]:  # noqa: ARG002
        return {}


def options(claim: Claim, capacity: Capacity) -> tuple[Residency, ...]:
    """How the claim could run on an otherwise empty bench, best first; empty when it cannot."""
    if not claim.uses_gpu:
        return (Residency.CPU_ONLY,)
    possible = []
    fits = Residency.GPU_SHARED
    if claim.residency is Residency.GPU_EXCLUSIVE:
        fits = Residency.GPU_EXCLUSIVE
    if any(_could_hold(card, claim, fits) for card in capacity.cards):
        possible.append(fits)
    elif capacity.cards and claim.may_overflow:
        possible.append(Residency.GPU_RAM_OVERFLOW)
    if not possible and claim.cpu_fallback:
        possible.append(Residency.CPU_ONLY)
    return tuple(possible)


def _decide(job: Job, capacity: Capacity, room: Room) -> Placement | Reason:
    """This is the decision: where `job` starts now, or why it does not."""
    claim = job.claim
    (residency, *_) = options(claim, capacity)
    if residency is Residency.CPU_ONLY:
        return room.lacks(job) or Placement(
            residency, _why_cpu(claim, capacity), ram_mib=claim.ram_mib
        )
    cards = [c for c in capacity.cards if _could_hold(c, claim, residency)]
    refusals = []
    for card in sorted(cards, key=lambda c: (len(room.residents(c.id)), c.index)):
        refusal = room.refuses(card, job, residency)
        if refusal is None:
            return room.lacks(job) or _on(card, claim, residency)
        refusals.append(refusal)
    return refusals[0]


def _fitting(job: Job, state: State) -> list[str]:
    (residency, *_) = options(job.claim, state.capacity)
    return [c.id for c in state.capacity.cards if _could_hold(c, job.claim, residency)]


def _on(card: Card, claim: Claim, residency: Residency) -> Placement:
    alone = residency is not Residency.GPU_SHARED
    why = {
        Residency.GPU_SHARED: Why.FITS_BESIDE_OTHERS,
        Residency.GPU_EXCLUSIVE: Why.WHOLE_CARD,
        Residency.GPU_RAM_OVERFLOW: Why.SPILLS_TO_RAM,
    }[residency]
    vram = card.alone_mib if alone else claim.vram_mib or 0
    return Placement(residency, why, card.id, vram, claim.ram_mib)


def _could_hold(card: Card, claim: Claim, residency: Residency) -> bool:
    if residency is Residency.GPU_RAM_OVERFLOW:
        return True
    limit = card.shareable_mib if residency is Residency.GPU_SHARED else card.total_mib
    return (claim.vram_mib or 0) <= limit


def _does_not_fit(job: Job, capacity: Capacity) -> Reason:
    if not capacity.cards:
        return Reason(job.name, Why.NO_GPU_ON_BENCH, job.claim.vram_mib)
    exclusive = job.claim.residency is Residency.GPU_EXCLUSIVE
    largest = max(c.total_mib if exclusive else c.shareable_mib for c in capacity.cards)
    return Reason(job.name, Why.LARGER_THAN_CARD, job.claim.vram_mib, largest)


def _why_cpu(claim: Claim, capacity: Capacity) -> Why:
    if not claim.uses_gpu:
        return Why.NEEDS_NO_GPU
    return Why.LARGER_THAN_CARD if capacity.cards else Why.NO_GPU_ON_BENCH


def _place_in_line(waiting: Waiting) -> tuple[bool, bool, int, float]:
    claim = waiting.job.claim
    on_cpu = not claim.uses_gpu
    return (on_cpu, on_cpu and claim.cores > 0, -claim.priority, waiting.since)
