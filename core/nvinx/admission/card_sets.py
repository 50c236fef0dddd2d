"""Which of several cards a job gets that asks for more than one. Pure."""

from __future__ import annotations

from itertools import accumulate, combinations
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.reasons import Reason, Why
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

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


def sets(
    claim: Claim,
    residency: Residency,
    ranked: Sequence[Card],
    rank: Callable[[Card], object] = lambda card: card.id,
) -> Iterator[tuple[Card, ...]]:
    """Sets of these cards that the job could have: as many as it may, then fewer.

    ranked: best first. rank: the same for cards that are as good; of these the nearest are taken.
    What spills takes the largest, so that least of it does.
    """
    if residency is Residency.GPU_RAM_OVERFLOW:
        rank = _by_room
        ranked = sorted(ranked, key=_by_room)
    least = fewest(claim, residency, ranked)
    if least is not None:
        for number in range(min(claim.cards.most, len(ranked)), least - 1, -1):
            yield _best(ranked, number, rank)


def _by_room(card: Card) -> int:
    return -card.weights_mib


def _best(ranked: Sequence[Card], number: int, rank: Callable[[Card], object]) -> tuple[Card, ...]:
    """So many from the front; of those at the end that are as good, the nearest to the others."""
    last = rank(ranked[number - 1])
    better = [card for card in ranked[:number] if rank(card) != last]
    equal = [card for card in ranked if rank(card) == last]
    seeds = [better] if better else [[card] for card in equal]
    grown = [_grown(seed, equal, number) for seed in seeds]
    chosen = min(grown, key=_spread)
    return tuple(card for card in ranked if card in chosen)


def _grown(seed: Sequence[Card], equal: Sequence[Card], number: int) -> list[Card]:
    """Add the card that is nearest to all before, one by one."""
    chosen = list(seed)
    while len(chosen) < number:
        left = (card for card in equal if card not in chosen)
        chosen.append(min(left, key=lambda card: sum(map(card.distance, chosen))))
    return chosen


def _spread(cards: Sequence[Card]) -> int:
    return sum(one.distance(other) for one, other in combinations(cards, 2))


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
