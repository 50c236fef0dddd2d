"""Cards that preempted jobs have just left, and that do not show the room yet. Pure.

A driver takes a moment to free what a process held. The urgent job has to wait for it, and keeps
the card meanwhile: otherwise another job would take what fits, the preempted one before all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission import card_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nvinx.admission.job import Waiting
    from nvinx.bench.capacity import Card

_SHOWN_WITHIN_S = 10.0  # after which such a card is taken as it shows itself


def as_left(cards: Sequence[Card], queue: Iterable[Waiting], at: float) -> list[Card]:
    """The same cards; those that jobs of the queue have just left as they are without others' use.

    queue: is gone through only where a card is used by others at all.
    """
    if not any(card.foreign_mib for card in cards):
        return list(cards)
    left = {
        card_id
        for waiting in queue
        if (before := waiting.job.preempted) is not None and at - before.at <= _SHOWN_WITHIN_S
        for card_id in before.cards
    }
    return [card_sets.when_empty([card])[0] if card.id in left else card for card in cards]
