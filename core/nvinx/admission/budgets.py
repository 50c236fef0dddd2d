"""Who of those that asked for a range of VRAM shrinks for a waiting job, and who grows. Pure.

Such a job starts as soon as its least fits. It has more while nobody waits for a card, and is asked
to give back as much as the first of the line lacks. It counts with what it held until it has
shrunk, so nothing is promised twice; one that does not shrink keeps others waiting, and nobody ends
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.admission.allocation import Allocation
    from nvinx.admission.availability import Availability, Reservation
    from nvinx.admission.job import Job
    from nvinx.bench.capacity import Card
    from nvinx.residency import Residency

_OVERDUE_S = 30.0  # after which nobody counts on a job that was to shrink
_WORTH_TELLING = 0.1  # of a job's range: by less its budget does not grow, unless to its most


class Rebudget(Struct, frozen=True):
    """A running job may use `mib` of its card from now on; to: for which job it shrinks, or ""."""

    job_id: str
    mib: int
    to: str = ""


class Squeeze(Struct, frozen=True):
    """Who would shrink on one card, and who would then be there with what.

    shrinking: names of those that were asked, or are asked now. missing_mib: what the job lacks
    beside what was asked for before. free_mib: what is free by now.
    """

    card: Card
    asked: tuple[Rebudget, ...]
    shrinking: tuple[str, ...]
    staying: list[Allocation]
    missing_mib: int
    free_mib: int


def shrink(
    job: Job, residency: Residency, cards: Iterable[Card], free: Availability
) -> Squeeze | None:
    """On which of these cards the job fits if others shrink, least of all; None where it fits on
    none. Each is asked for no more than the job lacks, first those that can give most.
    """
    choices = (_on(card, job, residency, free) for card in cards)
    found = [choice for choice in choices if choice is not None]
    return min(found, key=lambda choice: choice.missing_mib, default=None)


def answer(squeeze: Squeeze, reservation: Reservation, at: float) -> Reason:
    """Why the job waits. reservation: its own; it becomes that of what is given back, so that
    nobody else takes it.
    """
    job, card = reservation.job, squeeze.card
    reservation.cards, reservation.beside = (card,), {card.id: squeeze.staying}
    reservation.start_s, reservation.binding = at, True
    need, have = card.need_mib(job.claim), squeeze.free_mib
    return Reason(job.name, Why.ROOM_ASKED, need, have, squeeze.shrinking)


def overdue(refusal: Reason, cards: Iterable[Card], free: Availability) -> Reason:
    """Why a job waits that nobody else can help: those that were asked long ago are named."""
    there = (one for card in cards for one in free.allocations(card.id))
    names = tuple(one.job.name for one in there if _is_overdue(one, free.at))
    is_for_room = refusal.why is Why.NOT_ENOUGH_VRAM
    return replace(refusal, why=Why.ROOM_ASKED, behind=names) if names and is_for_room else refusal


def grown(cards: Iterable[Card], free: Availability) -> Mapping[str, int]:
    """The larger budgets of running jobs that can make use of what is free, in MiB by job id.

    Who came first gets first.
    """
    larger = {}
    for card in cards:
        there = free.allocations(card.id)
        room_mib = card.budget_mib - sum(one.placement.mib_on(card.id) for one in there)
        for one in sorted(there, key=lambda one: (one.since, one.job.id)):
            budget, held_mib = one.placement.budget, one.placement.mib_on(card.id)
            if budget is None or not _is_elastic(one):
                continue
            most_mib = one.job.claim.most_mib
            mib = min(held_mib + max(room_mib, 0), most_mib)
            step_mib = min(_WORTH_TELLING * one.job.claim.elastic_mib, most_mib - budget.mib)
            if mib > budget.mib and mib - budget.mib >= step_mib:
                larger[one.job.id] = mib
                room_mib -= max(mib - held_mib, 0)
    return larger


def _on(card: Card, job: Job, residency: Residency, free: Availability) -> Squeeze | None:
    there, at = free.allocations(card.id), free.at
    least = [_with(one, one.job.claim.vram_mib or 0) if _gives(one, at) else one for one in there]
    if free.refuses_beside(card, job, residency, least) is not None:
        return None
    promised = {one.job.id: _promised_mib(one, card, at) for one in there}
    missing_mib = card.need_mib(job.claim) - (card.budget_mib - sum(promised.values()))
    asked, left_mib = [], missing_mib
    spare = {one.job.id: promised[one.job.id] - (one.job.claim.vram_mib or 0) for one in there}
    for one in sorted((one for one in there if _gives(one, at)), key=lambda o: -spare[o.job.id]):
        gives_mib = min(spare[one.job.id], left_mib)
        if gives_mib > 0:
            promised[one.job.id] -= gives_mib
            left_mib -= gives_mib
            asked.append(Rebudget(one.job.id, promised[one.job.id], job.name))
    shrinking = tuple(
        one.job.name for one in there if promised[one.job.id] < one.placement.mib_on(card.id)
    )
    staying = [_with(one, promised[one.job.id]) if _gives(one, at) else one for one in there]
    if not shrinking:
        return None
    free_mib = max(card.budget_mib - sum(one.placement.mib_on(card.id) for one in there), 0)
    return Squeeze(card, tuple(asked), shrinking, staying, max(missing_mib, 0), free_mib)


def _gives(one: Allocation, at: float) -> bool:
    """Whether it has asked for a range, and can be counted on to shrink."""
    return _is_elastic(one) and not _is_overdue(one, at)


def _is_elastic(one: Allocation) -> bool:
    return one.placement.budget is not None and one.job.claim.elastic_mib > 0


def _is_overdue(one: Allocation, at: float) -> bool:
    budget = one.placement.budget
    return budget is not None and one.placement.is_shrinking and at - budget.since > _OVERDUE_S


def _promised_mib(one: Allocation, card: Card, at: float) -> int:
    """What it will hold of the card when it has shrunk as it was asked to."""
    budget, held_mib = one.placement.budget, one.placement.mib_on(card.id)
    return held_mib if budget is None or not _gives(one, at) else min(budget.mib, held_mib)


def _with(one: Allocation, mib: int) -> Allocation:
    """The same job as it is when it holds so much."""
    return replace(one, placement=replace(one.placement, vram_mib=mib))
