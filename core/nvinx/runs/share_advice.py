"""Whether a rule's jobs used the part of a card that they asked for, or far more or less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.history.summary import SPARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.bench.capacity import Card
    from nvinx.jobs.card_share import CardShare
    from nvinx.runs.read import Ran

_MOST = 100  # jobs of a rule on one card: more are never advised


def advice(rule: str, jobs: Sequence[Ran], cards: Sequence[Card]) -> str | None:
    """What part to ask for instead; None where the present one will do.

    jobs: of one rule, with peaks; those that asked for no part of a card are left out.
    """
    shares = [job.share for job in jobs if job.share is not None]
    used = max((_used(job, cards) for job in jobs if job.share is not None), default=0.0)
    if not used:
        return None
    least = min(shares, key=_size)
    fit = min(int(1 / used), _MOST)
    if fit > least.fit:
        more = fit - least.fit
        return f"rule {rule}: {_instead(fit, least)}, then {more} more fit the card"
    if used > _size(least):
        return f"rule {rule}: {_instead(fit, least)}, as its jobs used more"
    return None


def _instead(fit: int, now: CardShare) -> str:
    then = f"gpu_share='1/{fit}'" if fit > 1 else "gpu=1"
    return f"ask for {then} instead of {now.hint!r}"


def _used(job: Ran, cards: Sequence[Card]) -> float:
    """The part of its card that it used, and a little more; 0 where its card is not known."""
    place = (job.placement or {}).get("card")
    sizes = [card.shareable_mib for card in cards if card.id == place]
    return SPARE * (job.peak_mib or 0) / max(sizes[0], 1) if sizes else 0.0


def _size(share: CardShare) -> float:
    return share.parts / share.of
