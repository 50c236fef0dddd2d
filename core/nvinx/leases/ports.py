"""What leases are kept in, and what shows that their holders live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from nvinx.admission.state import Job, Placement
    from nvinx.gpu.ports import GpuProbe
    from nvinx.host.clock import Clock
    from nvinx.reasons import Reason


class Lease(Struct, frozen=True):
    """A job's hold on a card, valid while its processes live.

    since: seconds on the machine's boot clock. seen: GPU processes that were found to belong to
    the job, as (pid, start time in clock ticks), for those that hide their other signs of life.
    """

    job: Job
    placement: Placement
    since: float
    seen: tuple[tuple[int, int], ...] = ()

    @property
    def id(self) -> str:
        return self.job.id


class QueuedRequest(Struct, frozen=True):
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

    def leases(self) -> tuple[Lease, ...]: ...

    def requests(self, but: Collection[str] = ()) -> tuple[QueuedRequest, ...]:
        """Those who wait, the oldest first. but: ids to leave out, and not even to read."""
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


class Ports(Struct, frozen=True):
    """What a broker needs of the outside world.

    probe: None when every card is simulated. ram_left: MiB of RAM that nobody uses right now.
    """

    ledger: Ledger
    liveness: Liveness
    clock: Clock
    probe: GpuProbe | None = None
    ram_left: Callable[[], int] | None = None
