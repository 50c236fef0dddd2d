"""Which of several cards a job gets that asks for more than one. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.reasons import Reason, Why
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nvinx.admission.job import Job
    from nvinx.bench.capacity import Card
    from nvinx.jobs.claim import Claim

_SHOWN = 5


def fewest(claim: Claim, residency: Residency, cards: Collection[Card]) -> int | None:
    """How many of these cards the job needs; None where there are too few.

    A job that spills may need more than it asks for at least, and up to the most it asks for.
    """
    least, most = claim.cards.least, min(claim.cards.most, len(cards))
    if residency is Residency.GPU_RAM_OVERFLOW:
        room = accumulate(sorted((card.weights_mib for card in cards), reverse=True))
        enough = (n for n, mib in enumerate(room, 1) if mib >= claim.least_on_card_mib)
        least = max(least, next(enough, most + 1))
    return least if least <= most else None


def when_empty(cards: Collection[Card]) -> list[Card]:
    """The cards as they are when no program outside nvinx uses them."""
    return [replace(card, foreign_mib=0) for card in cards]


def sets(claim: Claim, residency: Residency, ranked: Sequence[Card]) -> Iterator[tuple[Card, ...]]:
    """Sets of these cards that the job could have: as many as it may, then fewer.

    ranked: best first. What spills takes the largest, so that least of it does.
    """
    if residency is Residency.GPU_RAM_OVERFLOW:
        ranked = sorted(ranked, key=lambda card: -card.weights_mib)
    least = fewest(claim, residency, ranked)
    if least is not None:
        for number in range(min(claim.cards.most, len(ranked)), least - 1, -1):
            yield tuple(ranked[:number])


def not_free(job: Job, residency: Residency, refusals: dict[Card, Reason | None]) -> Reason:
    """Why the job does not get its cards. refusals: what each card that could do says to it."""
    open_cards = [card for card, reason in refusals.items() if reason is None]
    refused = [reason for reason in refusals.values() if reason is not None]
    if len(open_cards) >= job.claim.cards.least:
        have = sum(card.weights_mib for card in open_cards[: job.claim.cards.most])
        return Reason(job.name, Why.CARD_USED_BY_OTHERS, job.claim.least_on_card_mib, have)
    if residency is Residency.GPU_SHARED and all(reason.of_judgement for reason in refused):
        return refused[0]
    names = tuple(dict.fromkeys(name for reason in refused for name in reason.behind))[:_SHOWN]
    need, have = job.claim.cards.least, len(open_cards)
    return Reason(job.name, Why.CARDS_NOT_FREE, need, have, names)
