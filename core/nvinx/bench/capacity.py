"""Everything there is to hand out: cards, cores, RAM. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.sizes import CONTEXT_MIB

if TYPE_CHECKING:
    from nvinx.jobs.claim import Claim


class Card(Struct, frozen=True, kw_only=True):
    """One GPU. Sizes are whole MiB.

    total_mib: what nvinx may use of it at most. device_mib: all that there is, where that is more.
    foreign_mib: what programs outside nvinx use right now of what nvinx may use. distances: how far
    other cards are, by their ids, where the driver says: 0 for a link, and more the farther.
    """

    id: str
    index: int
    name: str
    total_mib: int
    headroom_mib: int = 0
    foreign_mib: int = 0
    simulated: bool = False
    device_mib: int = 0
    distances: tuple[tuple[str, int], ...] = ()

    def distance(self, other: Card) -> int:
        """How far another card is; 0 where nobody knows."""
        return dict(self.distances).get(other.id, 0)

    @property
    def undeclared_mib(self) -> int:
        """What programs outside nvinx may use, since the bench file declares less than there is."""
        return max(self.device_mib - self.total_mib, 0)

    @property
    def shareable_mib(self) -> int:
        """What shared jobs may hold together when no program outside nvinx is on the card."""
        return max(self.total_mib - self.headroom_mib, 0)

    @property
    def budget_mib(self) -> int:
        """What shared jobs may hold together right now."""
        return max(self.shareable_mib - self.foreign_mib, 0)

    @property
    def alone_mib(self) -> int:
        """What a job that holds the card alone may use right now."""
        return max(self.total_mib - self.foreign_mib, 0)

    @property
    def weights_mib(self) -> int:
        """What a job that spills may put on the card right now, its context aside."""
        return max(self.budget_mib - (0 if self.simulated else CONTEXT_MIB), 0)

    def need_mib(self, claim: Claim) -> int:
        """What a job holds of this card if it shares it: its part of what may be shared at all, or
        the size that it states.
        """
        if claim.share is not None:
            return claim.share.mib(self.shareable_mib)
        return claim.vram_mib or 0


class Capacity(Struct, frozen=True):
    """Everything there is to hand out: cards, CPU cores, and RAM in MiB (None: not counted).

    ram_left_mib: RAM that nobody uses right now, for jobs that spill; None where nobody looked.
    """

    cards: tuple[Card, ...] = ()
    cores: int = 1
    ram_mib: int | None = None
    ram_left_mib: int | None = None

    def card(self, card_id: str) -> Card:
        return next(c for c in self.cards if c.id == card_id)

    def largest_share_mib(self, cards: int = 1) -> int:
        """What a job that shares can have on each of so many cards at most; 0 where there are
        fewer.
        """
        sizes = sorted((card.shareable_mib for card in self.cards), reverse=True)
        return sizes[cards - 1] if len(sizes) >= cards else 0
