"""What an urgent job is answered that others could give their cards to. Pure.

It must save the urgent job more waiting than work is lost. Who would give which cards is chosen by
`victims`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission import victims
from nvinx.admission.events import Reclaim
from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.admission.availability import Availability, Reservation
    from nvinx.admission.job import Job
    from nvinx.admission.victims import Choice
    from nvinx.bench.capacity import Card
    from nvinx.residency import Residency


def lacks_ram(
    job: Job, residency: Residency, cards: Iterable[Card], free: Availability
) -> Reason | None:
    """That nobody is suspended for the job since there is too little RAM; None where that is not
    what is missing.
    """
    choice = victims.choose(job, residency, cards, free, any_ram=True)
    if choice is None:
        return None
    names, need = tuple(one.job.name for one in choice.victims), victims.images_mib(choice.victims)
    return Reason(job.name, Why.NO_RAM_TO_SUSPEND, need, free.ram_beside(job), names)


def answer(
    job: Job, choice: Choice, reservation: Reservation, at: float
) -> tuple[tuple[Reclaim, ...], Reason]:
    """Who is asked, and why the job waits.

    reservation: of when it would start without anybody's help; it becomes that of what is given
    back, so that nobody else takes it.
    """
    names = tuple(one.job.name for one in choice.victims or choice.leaving)
    saved_s = reservation.start_s - at - choice.grace_s
    if choice.lost_s >= saved_s and _is_to_judge(job, choice):
        lost_s, saved_s = _roughly(choice.lost_s), _roughly(max(saved_s, 0.0))
        why = Why.PREEMPTION_LOSES_MORE
        return (), Reason(job.name, why, behind=names, factor=lost_s, limit=saved_s)
    reservation.cards, reservation.beside = choice.cards, dict(choice.staying)
    reservation.start_s, reservation.binding = at + choice.grace_s, True
    reservation.fillable = False
    need, have = (len(choice.cards), choice.free) if job.claim.is_gang else (None, None)
    if not choice.victims:
        return (), Reason(job.name, Why.CARD_GIVEN_BACK, need, have, names)
    asked = [
        Reclaim(
            v.job.id, job.name, victims.loss_s(v, at), victims.grace_s(v), victims.images_mib([v])
        )
        for v in choice.victims
    ]
    return tuple(asked), Reason(job.name, Why.CARD_ASKED_BACK, need, have, names)


def _is_to_judge(job: Job, choice: Choice) -> bool:
    """Whether nobody leaves for the job yet: else that is in vain unless the others leave too."""
    back = (one.placement.given_back for one in choice.leaving)
    return bool(choice.victims) and all(one is None or one.to != job.name for one in back)


def _roughly(seconds: float) -> float:
    """So that a reason is another only where that is worth a word."""
    return float(f"{seconds:.1g}")
