"""A program's side of the ledger: it asks for a lease, waits, holds it, and gives it back."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from nvinx.admission import adjust, explain
from nvinx.admission.events import Refuse, Start
from nvinx.admission.job import Job
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.resolve import Bench
from nvinx.errors import ImpossibleJobError, NvinxError
from nvinx.host.clock import boot_seconds
from nvinx.jobs import attempt
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome, outcome_of
from nvinx.leases.context import open_context
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from nvinx.admission.events import Decision, Policy
    from nvinx.admission.job import Placement, Running
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.history.runs import PastRun
    from nvinx.jobs.preemption import Preempted
    from nvinx.leases.liveness import ProcessLiveness
    from nvinx.leases.ports import Lease
    from nvinx.leases.watch import Watch
    from nvinx.reasons import Reason

_YOUNG_S = 60.0  # a task's guard may be about to lock its file
_SWEPT_AT_ONCE = 200
_SPEAK_S = 1.0  # how often whoever waits for a lease is told why, at least
_SHORT_S = 2.0  # a job that ends sooner is not worth learning beside it


class HeldLease(Struct, frozen=True):
    """A placement in force. exports: the environment for whatever uses it. lock: its sign of life.

    On the CPU nothing is leased, so there is no lock.
    """

    job: Job
    placement: Placement
    exports: dict[str, str]
    lock: Path | None


class Unasked(Struct, frozen=True):
    """What `Watch` is for a command that nobody may ask for its card."""

    was_preempted: ClassVar[bool] = False

    def __enter__(self) -> Unasked:
        return self

    def __exit__(self, *_: object) -> None:
        """There was nothing to look at."""

    def tell(self) -> None:
        """It runs, so it hears the signal by itself."""


class LeaseClient:
    """Asks for leases on a bench, one after the other, in the ledger that all programs share.

    Use it as a context manager. Raises StateDirError when the state folder cannot be used.
    """

    def __init__(
        self,
        bench: Bench,
        state_dir: Path | None = None,
        *,
        source: str = "",
        caps: bool = True,
        placed_by: Policy | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """source: the program, for the history of runs. caps: impose what is declared.

        say: told if the history cannot be used, so that runs teach nothing, or the ledger when
        something ends.
        placed_by: somebody else has decided already where jobs run, so that this only keeps the
        books. Then nothing is learned here either; `ended` has what happened.
        """
        self._learns = placed_by is None
        self._context = open_context(
            bench,
            state_dir,
            policy=LongestChainFirst if placed_by is None else lambda _: placed_by,
            learns=self._learns,
        )
        self._broker, self._peaks = self._context.broker, self._context.peaks()
        self._source, self._caps = source, caps
        self._asked = 0
        self._say, self._said = say, set[str]()
        self._warn(self._context.past.problem)
        self.ended: list[PastRun] = []
        self._used_here: set[str] = set()

    def __enter__(self) -> LeaseClient:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave: a lease stays with the processes that still use it."""
        try:
            with self._warned_of_the_ledger():
                self._broker.close()
        finally:
            self._context.close()
        self._sweep()

    def _sweep(self) -> None:
        """Remove some of what the killed left, at which whoever takes a lease has to look."""
        with suppress(OSError):
            self.liveness.sweep(older_than_s=_YOUNG_S, most=_SWEPT_AT_ONCE)

    @property
    def bench(self) -> Bench:
        return self._context.bench

    @property
    def capacity(self) -> Capacity:
        return self._context.bench.capacity

    @property
    def state_dir(self) -> Path:
        return self._context.state_dir

    @property
    def liveness(self) -> ProcessLiveness:
        return self._context.liveness

    def acquire(
        self,
        claim: Claim,
        name: str,
        waiting: Callable[[Reason | None], None] | None = None,
        lease_id: str | None = None,
        preempted: Preempted | None = None,
    ) -> HeldLease:
        """Wait for a lease. waiting: called again and again with the reason for the wait.

        lease_id: one that nobody else has; a new one by default. preempted: that the same job gave
        its card back before. Raises ImpossibleJobError when
        this bench can never run it.
        """
        self._asked += 1
        engine = self._context.engine
        lease_id = lease_id or f"{engine}.{self._asked}"
        statistics, largest_mib = (
            self._context.past.statistics,
            self.capacity.largest_share_mib(claim.cards.least),
        )
        learned = adjust.by_statistics(claim, statistics, largest_mib)
        if adjust.keeps_running_out(claim, statistics):
            self._say(explain.has_card_alone(claim.kind, statistics.ran_out(claim.kind)))
        job = Job(lease_id, name, learned, engine, preempted)
        decision = self._await_turn(job, waiting or (lambda _: None))
        if isinstance(decision, Refuse):
            raise ImpossibleJobError(name, *explain.impossible(decision.reason, self.bench.problem))
        placement = decision.placement
        if placement.card is not None:
            self._peaks.watch(job.id, placement.cards)
        if self._learns:
            self._context.past.learn_meanwhile(_SHORT_S)  # while the job runs
        exports = self._context.exports(job.id, placement, caps=self._caps)
        exports |= attempt.preempted(preempted)
        return HeldLease(job, placement, exports, self._context.lock(job.id, placement))

    def _await_turn(self, job: Job, waiting: Callable[[Reason | None], None]) -> Start | Refuse:
        """Stand in line until there is a decision."""
        return self._await_decision(job.id, _placing(self._broker.submit([job])), waiting)

    def _await_decision(
        self,
        job_id: str,
        decisions: tuple[Start | Refuse, ...],
        waiting: Callable[[Reason | None], None],
    ) -> Start | Refuse:
        looked_at = time.monotonic()
        while not decisions:
            waiting(self._broker.waits.get(job_id))
            left_s = looked_at + self._broker.look_again_s - time.monotonic()
            if self._broker.await_change(min(max(left_s, 0.0), _SPEAK_S)) or left_s <= _SPEAK_S:
                decisions = _placing(self._broker.poll())
                looked_at = time.monotonic()
        (decision,) = decisions
        return decision

    def resume(self, lease: Lease, waiting: Callable[[Reason | None], None]) -> None:
        """Have a job go on whose engine died while it was suspended, once it has room on its card.

        Raises StuckError where it cannot.
        """
        self._broker.adopt(lease)
        if lease.placement.is_off_card:
            self._await_decision(lease.id, _placing(self._broker.poll()), waiting)
        self._context.suspender.bring_back(lease.id)
        self._broker.came_back(lease.id)

    def watched(self, held: HeldLease) -> Watch | Unasked:
        """While a command runs on the lease: ends it where it is to give its card back."""
        if not self._broker.is_watching:
            return Unasked()
        from nvinx.leases.watch import Watch

        suspended = self._context.suspended_job(held.job, self._say)
        return Watch(self._broker, held.job, suspended, self._say)

    def suspendable(self, claim: Claim, name: str) -> Claim:
        """The claim of a command as it holds here: one that cannot be suspended keeps its card."""
        if claim.preemptible is None or not claim.preemptible.suspends:
            return claim
        judged, problem = self._context.suspendable.judged(claim, name, "command")
        self._warn(None if problem is None else f"warning: {problem}")
        return judged

    def ran_s(self, held: HeldLease) -> float:
        """How long the lease has been held, in seconds."""
        running = self._broker.state.running.get(held.job.id)
        return 0.0 if running is None else boot_seconds() - running.since

    def use_here(self, held: HeldLease) -> None:
        """This very process uses the lease: what it takes of the card is the lease's."""
        if held.lock is not None:
            self._used_here.add(held.job.id)
            self._broker.claim_process(held.job.id, os.getpid())
            self._peaks.count(held.job.id, os.getpid())

    def outlived(self, held: HeldLease) -> bool:
        """Whether others than this program show life for the lease."""
        return self.liveness.outlived(held.job.id)

    def release(self, held: HeldLease, outcome: Outcome = Outcome.OK) -> int | None:
        """Give the lease back and remember how it went; its peak of VRAM in MiB, if it was seen.

        What ended has ended, whatever became of the ledger: that is warned of, and never raised.
        """
        peak_mib = self._peaks.take(held.job.id)
        with self._warned_of_the_ledger():
            if held.job.id in self._used_here:
                self._used_here.discard(held.job.id)
                self._broker.release_process(held.job.id, os.getpid())
            self._broker.finish(held.job.id, outcome, peak_mib)
        self._broker.release(held.job.id)
        ended = [run for run in self._broker.ended() if run.kind]
        self.ended += ended
        if self._learns:
            self._warn(self._context.past.keep(ended, self._source))
        return peak_mib

    def _warn(self, problem: str | None) -> None:
        if problem is not None and problem not in self._said:
            self._say(f"nvinx: {problem}")
            self._said.add(problem)

    @contextmanager
    def _warned_of_the_ledger(self) -> Iterator[None]:
        try:
            yield
        except NvinxError as error:
            self._warn(f"warning: {error}")

    def beside(self, held: HeldLease) -> tuple[Running, ...]:
        """Who shared the card when the lease was given."""
        return self._broker.beside(held.job.id)

    @contextmanager
    def lease(
        self, claim: Claim, name: str, waiting: Callable[[Reason | None], None] | None = None
    ) -> Iterator[HeldLease]:
        """Wait for a lease and hold it for as long as the block runs."""
        held = self.acquire(claim, name, waiting)
        with self.giving_back(held):
            yield held

    @contextmanager
    def giving_back(self, held: HeldLease) -> Iterator[None]:
        """Give a lease back at the end of the block, however it ends."""
        try:
            yield
        except BaseException as error:
            from traceback import format_exception_only

            self.release(held, outcome_of(1, "".join(format_exception_only(error))))
            raise
        self.release(held)


def _placing(decisions: Iterable[Decision]) -> tuple[Start | Refuse, ...]:
    return tuple(one for one in decisions if isinstance(one, Start | Refuse))


@contextmanager
def whole_card(
    card: Card, name: str, state_dir: Path | None, waiting: Callable[[Reason | None], None]
) -> Iterator[dict[str, str]]:
    """Wait for the card, hold it alone, and give it back.

    The value is the environment for the programs that use the card meanwhile; one that outlives
    this process keeps the card. waiting: called again and again with the reason for the wait.
    Raises StateDirError.
    """
    bench = Bench(cards=(card,), cores=1, ram_mib=0, models={}, origins={})
    claim = Claim(residency=Residency.GPU_EXCLUSIVE, cores=0)
    with LeaseClient(bench, state_dir) as client, client.lease(claim, name, waiting) as held:
        yield held.exports
