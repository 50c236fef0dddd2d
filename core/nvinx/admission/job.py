"""A job with an identity, where it was placed, and whether it waits or runs. Pure."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from nvinx.jobs.card_share import CardShare  # noqa: TC001
from nvinx.jobs.claim import Claim  # noqa: TC001
from nvinx.jobs.preemption import Preempted  # noqa: TC001
from nvinx.reasons import Why  # noqa: TC001

# msgspec looks these up when it reads a job or a placement.
from nvinx.residency import Residency  # noqa: TC001

_OVERDUE_S = 10.0  # after which nobody counts on a card that was to be given back


class Job(Struct, frozen=True):
    """A claim with an identity: `id` is unique on the machine, `name` is what people call it.

    preempted: that it gave its card back before; None for most. suspended: what it holds while its
    memory is off the card, where it waits to go on.
    """

    id: str
    name: str
    claim: Claim
    engine: str = ""
    preempted: Preempted | None = None
    suspended: Placement | None = None


class GivenBack(Struct, frozen=True):
    """That a running job gives its card back: to a job of this name, by a time in boot seconds."""

    to: str
    by: float

    def is_awaited(self, at: float) -> bool:
        """Whether anybody still counts on it: not where the engine died that was to see to it."""
        return at <= self.by + _OVERDUE_S


class Budget(Struct, frozen=True):
    """How much VRAM a job that asked for a range may use, in MiB; of `Placement.card`.

    number: how often it was changed. to: the name of the job for which it shrank, "" for nobody.
    since: when that was, in boot seconds.
    """

    mib: int
    number: int = 0
    to: str = ""
    since: float = 0.0


class Phase(Enum):
    """How far a job is suspended: it leaves its card, is off it, or comes back to it.

    While it leaves or comes back it holds its room on the card and the RAM for it as well.
    """

    LEAVING = "leaving"
    OFF_CARD = "off_card"
    COMING_BACK = "coming_back"


class Suspension(Struct, frozen=True):
    """That a job's GPU memory is moved to RAM, or is there: for a job of this name.

    ram_mib: what that takes, which is part of the placement's RAM.
    """

    phase: Phase
    to: str
    ram_mib: int


class Placement(Struct, frozen=True):
    """Where a job runs and what it holds there; `card` is None on the CPU.

    vram_mib: of `card`. more: further cards that it holds as well, and more_mib: how much of each.
    share: the part of each card that this is, where the job asked for one.
    given_back: since it was preempted. budget: of a job that asked for a range; where it is less
    than vram_mib, the job has yet to shrink. suspension: of one whose GPU memory goes to RAM since
    it was preempted; as long as it is there, `card` is the one that it comes back to.
    """

    residency: Residency
    why: Why
    card: str | None = None
    vram_mib: int = 0
    ram_mib: int = 0
    disk_mib: int = 0
    more: tuple[str, ...] = ()
    share: CardShare | None = None
    more_mib: tuple[int, ...] = ()
    given_back: GivenBack | None = None
    budget: Budget | None = None
    suspension: Suspension | None = None

    @property
    def is_off_card(self) -> bool:
        """Whether its memory is in RAM, so that it holds nothing of its card."""
        return self.suspension is not None and self.suspension.phase is Phase.OFF_CARD

    @property
    def cards(self) -> tuple[str, ...]:
        """Those that it holds."""
        return () if self.card is None or self.is_off_card else (self.card, *self.more)

    def mib_on(self, card_id: str) -> int:
        """What it holds of a card, in MiB."""
        if self.is_off_card:
            return 0
        if card_id == self.card:
            return self.vram_mib
        return dict(zip(self.more, self.more_mib, strict=False)).get(card_id, 0)

    @property
    def is_shrinking(self) -> bool:
        """Whether it holds more than it may use from now on."""
        return self.budget is not None and self.budget.mib < self.vram_mib

    def with_budget(self, mib: int, to: str, since: float) -> Placement:
        """With another budget; what it held before it holds until it has shrunk."""
        number = 0 if self.budget is None else self.budget.number + 1
        budget = Budget(mib, number, to, since)
        return replace(self, vram_mib=max(self.vram_mib, mib), budget=budget)

    @property
    def alone(self) -> bool:
        return self.residency.uses_gpu and not self.residency.shares_card and not self.is_off_card


class Waiting(Struct, frozen=True):
    """A job in the queue. held: its own engine saw this very state and does not start it.

    Others then do not keep the room for it that they see.
    """

    job: Job
    since: float
    held: bool = False


class Running(Struct, frozen=True):
    job: Job
    placement: Placement
    since: float
