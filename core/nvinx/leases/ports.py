"""What leases are kept in, and what shows that their holders live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from nvinx.admission.state import Job, Placement
    from nvinx.gpu.ports import GpuProbe
    from nvinx.host.clock import Clock
    from nvinx.reasons import Reason


@dataclass(frozen=True, slots=True)
class Lease:
    """A job's hold on a card, valid while its processes live.

    since: seconds on the machine's boot clock. seen: GPU processes that were found to belong to
    the job, as (pid, start time in clock ticks), for those that hide their other signs of life.
    problem: why it could not be read; then it holds its whole card, or all cards if it names none.
    """

    job: Job
    placement: Placement
    since: float
    seen: tuple[tuple[int, int], ...] = ()
    problem: str | None = None

    @property
    def id(self) -> str:
        return self.job.id

    def holds(self, card_id: str) -> bool:
        return self.placement.card is None or card_id in self.placement.cards

    def on_these(self, card_ids: Sequence[str]) -> Lease:
        """The same, naming these cards where it holds every one."""
        if self.placement.card is not None or not card_ids:
            return self
        first, *more = card_ids
        return replace(self, placement=replace(self.placement, card=first, more=tuple(more)))


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A job that waits for a card.

    since, heartbeat_at: when it came and when its engine last spoke, in boot seconds.
    """

    job: Job
    since: float
    heartbeat_at: float
    reason: Reason | None = None

    @property
    def id(self) -> str:
        return self.job.id


class Transaction(Protocol):
    """The ledger as one transaction sees it; every change takes effect together, or none does."""

    def leases(self) -> tuple[Lease, ...]:
        """All of them; one that cannot be read has a problem, and holds a card nevertheless."""
        ...

    def requests(self, but: Collection[str] = ()) -> tuple[QueuedRequest, ...]:
        """Those who wait, the oldest first, without those that cannot be read.

        but: ids to leave out, and not even to read.
        """
        ...

    def hold(self, lease: Lease) -> None:
        """Enter a new lease. Raises LeaseExistsError when the job holds one already."""
        ...

    def note(self, lease: Lease) -> None:
        """Write down what is newly known of a lease that is held; unknown ones are left out."""
        ...

    def drop(self, lease_id: str) -> None:
        """Give a lease back. Dropping one that is not there is not an error."""
        ...

    def enqueue(self, request: QueuedRequest) -> None:
        """Enter a waiting request, or bring it up to date."""
        ...

    def dequeue(self, request_id: str) -> None:
        """Take a waiting request out. Taking out one that is not there is not an error."""
        ...


class Ledger(Protocol):
    """The machine-wide record of who holds which card and who waits for one."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """One exclusive transaction; an exception inside undoes it."""
        ...


class Liveness(Protocol):
    """Signs of life. A token is the id of a lease or of an engine."""

    def announce(self, token: str) -> None:
        """Show life for this token until `retire`, or until this process dies."""
        ...

    def retire(self, token: str) -> None:
        """Stop showing life; other processes that carry the token keep it alive."""
        ...

    def outlived(self, token: str) -> bool:
        """Whether anything but what this process began shows life for the token."""
        ...

    def alive(self, tokens: Collection[str]) -> set[str]:
        """Those tokens for which anything on this machine still shows life."""
        ...

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        """Which of these processes carry a token, themselves or by descent."""
        ...

    def notify(self, token: str) -> None:
        """Tell whoever shows life for this token that there may be room for it now."""
        ...

    def was_notified(self, token: str) -> bool:
        """Whether somebody notified this token since this was last asked; needs no ledger.

        Two notices within a few milliseconds may count as one, and one may be missed: look anyway
        now and then.
        """
        ...

    def started(self, pid: int) -> int | None:
        """When the process started, in clock ticks since boot; None when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What a broker needs of the outside world.

    probe: None when every card is simulated. ram_left: MiB of RAM that nobody uses right now.
    """

    ledger: Ledger
    liveness: Liveness
    clock: Clock
    probe: GpuProbe | None = None
    ram_left: Callable[[], int] | None = None
