"""Who gives a card back to an urgent job: of those that agreed, with the least work lost. Pure.

Nobody who did not agree is ever asked. It must save the urgent job more waiting than work is lost,
and nobody is asked more than `MOST_TIMES`, nor twice within the time that it takes. Who would be
suspended is asked where the RAM for that is free.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission import suspending
from nvinx.jobs.preemption import MOST_TIMES, Mode
from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nvinx.admission.allocation import Allocation
    from nvinx.admission.availability import Availability, Reservation
    from nvinx.admission.job import Job
    from nvinx.bench.capacity import Card
    from nvinx.jobs.claim import Claim
    from nvinx.residency import Residency

_MOST_TRIED = 8  # jobs of a card, of which every choice is looked at
_OVERDUE_S = 10.0  # after which nobody counts on a card that was to be given back


class Reclaim(Struct, frozen=True):
    """A running job that is to give its card back: to a job of this name.

    ram_mib: what it takes of RAM meanwhile, where it is suspended.
    """

    job_id: str
    to: str
    lost_s: float
    grace_s: float
    ram_mib: int = 0


class Choice(Struct, frozen=True):
    """Who would give one card back, who would stay there, and the work lost with them, in seconds.

    leaving: those that do so already.
    """

    card: Card
    victims: tuple[Allocation, ...]
    leaving: tuple[Allocation, ...]
    staying: list[Allocation]
    lost_s: float

    @property
    def is_help(self) -> bool:
        return bool(self.victims or self.leaving)

    @property
    def grace_s(self) -> float:
        return max((_grace_s(one) for one in self.victims), default=0.0)


def choose(
    job: Job,
    residency: Residency,
    cards: Iterable[Card],
    free: Availability,
    *,
    any_ram: bool = False,
) -> Choice | None:
    """With whose help the job could start on one of these cards; None where nobody's is enough.

    any_ram: as if there were as much RAM as is needed for whoever is suspended.
    """
    ram_mib = None if any_ram else free.ram_beside(job)
    choices = (_on(card, job, residency, free, ram_mib) for card in cards)
    found = [choice for choice in choices if choice is not None and choice.is_help]
    return min(found, key=lambda choice: choice.lost_s, default=None)


def lacks_ram(
    job: Job, residency: Residency, cards: Iterable[Card], free: Availability
) -> Reason | None:
    """That nobody is suspended for the job since there is too little RAM; None where that is not
    what is missing.
    """
    choice, ram_mib = choose(job, residency, cards, free, any_ram=True), free.ram_beside(job)
    if choice is None:
        return None
    names, need = tuple(one.job.name for one in choice.victims), _image_mib(choice.victims)
    return Reason(job.name, Why.NO_RAM_TO_SUSPEND, need, ram_mib, names)


def answer(
    job: Job, choice: Choice, reservation: Reservation, at: float
) -> tuple[tuple[Reclaim, ...], Reason]:
    """Who is asked, and why the job waits.

    reservation: of when it would start without anybody's help; it becomes that of what is given
    back, so that nobody else takes it.
    """
    names = tuple(one.job.name for one in choice.victims or choice.leaving)
    saved_s = reservation.start_s - at - choice.grace_s
    if choice.victims and choice.lost_s >= saved_s:
        lost_s, saved_s = _roughly(choice.lost_s), _roughly(max(saved_s, 0.0))
        why = Why.PREEMPTION_LOSES_MORE
        return (), Reason(job.name, why, behind=names, factor=lost_s, limit=saved_s)
    reservation.cards, reservation.beside = (choice.card,), {choice.card.id: choice.staying}
    reservation.start_s, reservation.binding = at + choice.grace_s, True
    if not choice.victims:
        return (), Reason(job.name, Why.CARD_GIVEN_BACK, behind=names)
    asked = [
        Reclaim(v.job.id, job.name, loss_s(v, at), _grace_s(v), _image_mib([v]))
        for v in choice.victims
    ]
    return tuple(asked), Reason(job.name, Why.CARD_ASKED_BACK, behind=names)


def agrees(one: Allocation, urgent: Claim, at: float) -> bool:
    """Whether a running job gives its card back to this one; not one that starts just now."""
    claim, before = one.job.claim, one.job.preempted
    if one.since >= at:
        return False
    if claim.preemptible is None or not urgent.may_preempt(claim) or not _is_at_work(one):
        return False
    if before is None:
        return True
    length_s = before.ran_s if claim.runtime_s is None else claim.runtime_s
    return before.times < MOST_TIMES and at - before.at >= length_s


def loss_s(one: Allocation, at: float) -> float:
    """Seconds of work that are lost where a job gives its card back: of one that may save what it
    has, its time for that; of one that is suspended, the time to copy its memory off and back.
    """
    if suspending.suspends(one.job.claim):
        return 2 * suspending.copy_s(one.placement)
    return _grace_s(one) or max(at - one.since, 0.0)


def _grace_s(one: Allocation) -> float:
    """Its time to save what it has, and to end or to leave the card."""
    if suspending.suspends(one.job.claim):
        return suspending.copy_s(one.placement)
    agreed = one.job.claim.preemptible
    return agreed.grace_s if agreed is not None and agreed.mode is Mode.SIGNAL else 0.0


def _is_at_work(one: Allocation) -> bool:
    """Whether nobody has asked for its card yet, and it can do what it agreed to."""
    placement = one.placement
    if placement.given_back is not None or placement.suspension is not None:
        return False
    return not suspending.suspends(one.job.claim) or suspending.can_leave(placement)


def _image_mib(victims: Iterable[Allocation]) -> int:
    """The RAM that those of them take which would be suspended."""
    suspended = (one for one in victims if suspending.suspends(one.job.claim))
    return sum(suspending.image_mib(one.placement) for one in suspended)


def _on(
    card: Card, job: Job, residency: Residency, free: Availability, ram_mib: int | None
) -> Choice | None:
    there, at = free.allocations(card.id), free.at
    leaving = tuple(one for one in there if _is_leaving(one, at))
    rest = [one for one in there if one not in leaving]
    willing = sorted(
        (one for one in rest if agrees(one, job.claim, at)), key=lambda one: loss_s(one, at)
    )
    found = None
    for victims in _subsets(willing):
        if ram_mib is not None and _image_mib(victims) > ram_mib:
            continue
        lost_s = sum(loss_s(one, at) for one in victims)
        if found is None or lost_s < found.lost_s:
            staying = [one for one in rest if one not in victims]
            if free.refuses_beside(card, job, residency, staying) is None:
                found = Choice(card, victims, leaving, staying, lost_s)
    return found


def _subsets(willing: Sequence[Allocation]) -> Iterator[tuple[Allocation, ...]]:
    """Every choice of a few, and all of them."""
    few = willing[:_MOST_TRIED]
    for number in range(len(few) + 1):
        yield from combinations(few, number)
    if len(willing) > len(few):
        yield tuple(willing)


def _is_leaving(one: Allocation, at: float) -> bool:
    given_back = one.placement.given_back
    return given_back is not None and at <= given_back.by + _OVERDUE_S


def _roughly(seconds: float) -> float:
    """So that a reason is another only where that is worth a word."""
    return float(f"{seconds:.1g}")
