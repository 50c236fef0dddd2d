"""A job with an identity, where it was placed, and whether it waits or runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# msgspec looks these up when it reads a job or a placement.
from nvinx.catalog import Residency  # noqa: TC001
from nvinx.jobs.claim import Claim  # noqa: TC001
from nvinx.reasons import Why  # noqa: TC001


@dataclass(frozen=True, slots=True)
class Job:
    """A claim with an identity: `id` is unique on the machine, `name` is what people call it."""

    id: str
    name: str
    claim: Claim
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. held: its own engine saw this very state and does not start it.

    Others then do not keep the room for it that they see.
    """

    job: Job
    since: float
    held: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    job: Job
    placement: Placement
    since: float
