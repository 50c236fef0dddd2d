"""What to try next with a job that ran out of GPU memory: one step for each failure. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.bench.capacity import Capacity
    from nvinx.jobs.card_share import CardShare
    from nvinx.jobs.claim import Claim

_MORE = 1.5
_ABOVE_PEAK = 1.1


class RetryStep(Enum):
    """One way to run the job again, in the order in which they are tried."""

    MORE_ROOM = "more_room"
    MEASURED_PEAK = "measured_peak"
    WHOLE_CARD = "whole_card"
    SPILL = "spill"
    CPU = "cpu"


# What is of no use to a job that had a card to itself: a larger share of it, and, where the job may
# run elsewhere, the card.
_GROWS = (RetryStep.MORE_ROOM, RetryStep.MEASURED_PEAK)
_ELSEWHERE = (*_GROWS, RetryStep.WHOLE_CARD)


def next_attempt(
    claim: Claim,
    tried: Sequence[RetryStep],
    capacity: Capacity,
    peak_mib: int | None = None,
    had_card: bool = False,
    asked: Claim | None = None,
) -> tuple[RetryStep, Claim] | None:
    """The next step that applies, with the claim for it; None when all were tried.

    claim: as it ran last. peak_mib: the most that the job was seen to use, None where unknown.
    had_card: it could use all of its card, so that more room there is no help. asked: what its rule
    asks for at this attempt, where that is another amount than before.
    """
    order = list(RetryStep)
    first = max((order.index(step) + 1 for step in tried), default=0)
    left = order[first:]
    may_leave = claim.may_overflow or claim.cpu_fallback
    if claim.residency is Residency.GPU_SHARED and had_card:
        left = [step for step in left if step not in (_ELSEWHERE if may_leave else _GROWS)]
    applicable = _applicable(claim, capacity, peak_mib, asked)
    return next(((r, c) for r, c in applicable if r in left), None)


def _applicable(
    claim: Claim, capacity: Capacity, peak_mib: int | None, asked: Claim | None
) -> Iterator[tuple[RetryStep, Claim]]:
    if claim.residency is Residency.GPU_SHARED:
        if claim.share is None:
            yield from _with_more_mib(
                claim, capacity.largest_share_mib(claim.cards.least), peak_mib, asked
            )
        else:
            yield from _with_larger_share(claim, claim.share, asked)
        yield RetryStep.WHOLE_CARD, claim.after_running_out()
    if claim.may_overflow and claim.residency is not Residency.GPU_RAM_OVERFLOW:
        totals = sorted(card.total_mib for card in capacity.cards)
        above = sum(totals[-claim.cards.most :]) + 1
        alone = claim.with_whole_card()
        yield RetryStep.SPILL, replace(alone, residency=Residency.GPU_RAM_OVERFLOW, vram_mib=above)
    if claim.cpu_fallback:
        alone = claim.with_whole_card()
        yield RetryStep.CPU, replace(alone, residency=Residency.CPU_ONLY, vram_mib=None)


def _with_more_mib(
    claim: Claim, largest: int, peak_mib: int | None, asked: Claim | None
) -> Iterator[tuple[RetryStep, Claim]]:
    now_mib = claim.vram_mib or 0
    wanted_mib = None if asked is None else asked.vram_mib
    if now_mib < largest:
        more_mib = max(wanted_mib or round(_MORE * now_mib), now_mib)
        yield RetryStep.MORE_ROOM, replace(claim, vram_mib=min(more_mib, largest))
    if peak_mib is not None and now_mib < _ABOVE_PEAK * peak_mib <= largest:
        yield RetryStep.MEASURED_PEAK, replace(claim, vram_mib=round(_ABOVE_PEAK * peak_mib))


def _with_larger_share(
    claim: Claim, share: CardShare, asked: Claim | None
) -> Iterator[tuple[RetryStep, Claim]]:
    """As the rule says, else the next larger part; a peak on one card says little of another."""
    wants_other = asked is not None and asked.share != share
    larger = asked.share if asked is not None and wants_other else share.larger()
    if larger is not None and larger.is_more_than(share):
        yield RetryStep.MORE_ROOM, replace(claim, share=larger)
