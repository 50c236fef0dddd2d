"""What leases are kept in, and what shows that their holders live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from nvinx.host.clock import asleep_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from nvinx.admission.job import Budget, Job, Placement
    from nvinx.gpu.ports import GpuProbe
    from nvinx.host.clock import Clock
    from nvinx.reasons import Reason


class Lease(Struct, frozen=True):
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


class QueuedRequest(Struct, frozen=True):
    """A job near the front of its engine's queue for a card; since: when it came, in boot seconds.

    reason: why it waits, as of not long ago.
    """

    job: Job
    since: float
    reason: Reason | None = None

    @property
    def id(self) -> str:
        return self.job.id


class EngineEntry(Struct, frozen=True):
    """An engine whose jobs wait for a card. waiting: how many.

    seen: the ledger's change that it last decided upon, and answered_at: when. asked_at: when
    another engine last found that it could start a job, 0 for never. Times are in boot seconds.
    """

    id: str
    waiting: int
    seen: int
    answered_at: float
    asked_at: float = 0.0
    asked_by: str = ""

    @property
    def owes_answer(self) -> bool:
        return self.asked_at > self.answered_at


class Transaction(Protocol):
    """The ledger as one transaction sees it; every change takes effect together, or none does."""

    def leases(self) -> tuple[Lease, ...]:
        """All of them; one that cannot be read has a problem, and holds a card nevertheless."""
        ...

    def requests(self, but: str = "", most: int | None = None) -> tuple[QueuedRequest, ...]:
        """Those at the front of the line, in its order. but: an engine whose own are left out.

        With most, no more than so many, and none of those that lack cores or RAM: these keep
        nobody waiting. So many are among them that want whole cards, or several, and waited
        longest. Those that cannot be read are left out.
        """
        ...

    def shown_by(self, engine: str) -> tuple[QueuedRequest, ...]:
        """What this engine shows of its queue, as the others read it."""
        ...

    def engines(self, ids: Collection[str] | None = None) -> dict[str, EngineEntry]:
        """The engines whose jobs wait: all, or those of these ids."""
        ...

    def change(self) -> int:
        """Grows with every change that could let a waiting job start."""
        ...

    def questions(self, since: float) -> tuple[str, ...]:
        """The names of jobs or rules that somebody wants to know of, asked then or later."""
        ...

    def question(self, name: str, at: float) -> None:
        """Have the engines show why their jobs of this name wait, wherever these stand."""
        ...

    def requested_by(self, job_ids: Collection[str]) -> dict[str, str]:
        """Which of the jobs stand in line, and for which engine."""
        ...

    def hold(self, lease: Lease) -> None:
        """Enter a new lease. Raises LeaseExistsError when the job holds one already."""
        ...

    def note(self, lease: Lease) -> None:
        """Write down what is newly known of a lease that is held; unknown ones are left out."""
        ...

    def give_back(self, lease_id: str, placement: Placement) -> None:
        """Write down of a lease of ours that its job was asked to give it back."""
        ...

    def rebudget(self, lease: Lease) -> None:
        """Write down what a lease may use, and what it holds until it has shrunk to that."""
        ...

    def move(self, lease: Lease) -> None:
        """Write down of a lease of ours what its job holds now: it left its card, or comes back.

        What is known of its processes stays; unknown leases are left out.
        """
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

    def answer(self, engine: str, waiting: int, at: float) -> None:
        """The engine decided upon the ledger as it is now; so many of its jobs still wait."""
        ...

    def ask(self, engine: str, by: str, at: float) -> None:
        """Ask an engine to decide, since it could start a job, unless it was asked already."""
        ...

    def leave(self, engine: str) -> None:
        """Take out the engine with all that it asks for."""
        ...


class Ledger(Protocol):
    """The machine-wide record of who holds which card and who waits for one."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """One exclusive transaction; an exception inside undoes it.

        Raises LedgerLostError, after which nothing of it counts, and the next one is of a new
        ledger, into which the leases that live were taken over.
        """
        ...

    def look(self) -> AbstractContextManager[Transaction]:
        """The same, without keeping others from writing; raises LookOnlyError for any change."""
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

    def listen(self, token: str) -> None:
        """Take notices for this token from now on, until `retire`."""
        ...

    def notify(self, token: str) -> None:
        """Tell whoever listens for this token that it had better look at the ledger now."""
        ...

    def await_notice(self, token: str, timeout_s: float, wake: int | None = None) -> bool:
        """Wait for a notice at most so long; whether there was one. Needs no ledger.

        Some may count as one, and one may be missed: look anyway now and then. wake: a file
        descriptor that ends the wait when there is something to read.
        """
        ...

    def started(self, pid: int) -> int | None:
        """When the process started, in clock ticks since boot; None when it is gone."""
        ...


class Peaks(Protocol):
    """The most VRAM that each job used."""

    def watch(self, token: str, cards: tuple[str, ...]) -> None:
        """From now on, until it is taken. cards: ids of those that it holds."""
        ...

    def count(self, token: str, pid: int) -> None:
        """This process is the job's, though it carries no marker."""
        ...

    def take(self, token: str) -> int | None:
        """Watch no longer; the job's peak in MiB, None when it is not known."""
        ...


class Budgets(Protocol):
    """How jobs that asked for a range of VRAM are told how much of it they may use."""

    def tell(self, token: str, budget: Budget, seen: Collection[tuple[int, int]] = ()) -> None:
        """Tell a job, unless it was told of this very budget. seen: as in `Lease`."""
        ...

    def is_kept(self, token: str, budget: Budget) -> bool:
        """Whether the job answered that it keeps to this very budget."""
        ...

    def is_heard(self, token: str, budget: Budget) -> bool:
        """Whether a process of the job that listens for the signal was told of this budget."""
        ...


class Ports(Struct, frozen=True):
    """What a broker needs of the outside world.

    probe: None when every card is simulated. ram_left: MiB of RAM that nobody uses right now.
    asleep: for how many seconds the machine has slept since boot, which no job ran. budgets: None
    where no job is told of another budget than that of its start.
    """

    ledger: Ledger
    liveness: Liveness
    clock: Clock
    probe: GpuProbe | None = None
    ram_left: Callable[[], int] | None = None
    asleep: Callable[[], float] = asleep_seconds
    budgets: Budgets | None = None
