"""What admission knows at one moment: who waits, who runs, and where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

# msgspec looks these up when it reads a job or a placement.
from msgspec import Struct, field

from nvinx.catalog import Residency  # noqa: TC001
from nvinx.jobs.claim import Claim  # noqa: TC001
from nvinx.reasons import Why  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.bench.capacity import Capacity


class Job(Struct, frozen=True):
    """A claim with an identity: `id` is unique on the machine, `name` is what people call it."""

    id: str
    name: str
    claim: Claim
    engine: str = ""


class Placement(Struct, frozen=True):
    """Where a job runs and what it holds there; `card` is None on the CPU.

    more: further cards, which a job that spills holds as well.
    """

    residency: Residency
    why: Why
    card: str | None = None
    vram_mib: int = 0
    ram_mib: int = 0
    disk_mib: int = 0
    more: tuple[str, ...] = ()

    @property
    def cards(self) -> tuple[str, ...]:
        return () if self.card is None else (self.card, *self.more)

    @property
    def alone(self) -> bool:
        return self.residency.uses_gpu and not self.residency.shares_card


class Waiting(Struct, frozen=True):
    job: Job
    since: float


class Running(Struct, frozen=True):
    job: Job
    placement: Placement
    since: float


class State(Struct, frozen=True):
    """A snapshot of the bench. `apply` and `admit` return a new one; nothing ever edits this one.

    `waiting` is in the policy's order; whoever adds to it by hand asks `policy.in_order`.
    """

    capacity: Capacity
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)

    def on_card(self, card_id: str) -> tuple[Running, ...]:
        return tuple(r for r in self.running.values() if card_id in r.placement.cards)
