"""One engine's part in the machine-wide admission: what it submits is placed beside everyone's.

A broker keeps its engine's own jobs in memory and opens a transaction of the ledger whenever a card
is involved: it takes note of what happened to its own jobs, merges everybody else's, lets the
policy decide, and writes down what changed. Engines that only run CPU work never open the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.co_residency import CoResidency
from nvinx.admission.events import CardsChanged, Finished, Submitted, Withdrawn
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, step
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.outcome import Outcome
from nvinx.leases.everyone import Everyone, engine_of
from nvinx.leases.ports import Lease, QueuedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.admission.events import Decision, Event, Policy, Round, Start
    from nvinx.admission.state import Job, Running
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.history.runs import PastRun
    from nvinx.leases.ports import Ports, Transaction
    from nvinx.reasons import Reason

HEARTBEAT_S = 2.0
_LISTEN_S = 0.005, 0.05  # for a notice: a short wait is over soon, a long one is worth no hurry


class Broker:
    """Admission for one engine. Not thread-safe: one thread calls it."""

    def __init__(
        self,
        engine: str,
        capacity: Capacity,
        ports: Ports,
        policy: Policy | None = None,
        statistics: RunStatistics | None = None,
    ) -> None:
        """statistics: is told of each job that ends, before anything is decided upon it."""
        self._engine = engine
        self._statistics = statistics or RunStatistics()
        self._co_residency = CoResidency()
        self._ended: list[PastRun] = []
        self._ports = ports
        self._everyone = Everyone(engine, ports)
        self._policy = policy or LongestChainFirst()
        self._state = State(capacity)
        self._requests: dict[str, QueuedRequest] = {}
        self._co_residents: dict[str, tuple[Running, ...]] = {}
        self._outlived: set[str] = set()
        self._submitted_at = 0.0

    @property
    def state(self) -> State:
        """This engine's own jobs, as of the last call."""
        return self._state

    def impossible(self, job: Job) -> Reason | None:
        """Why the job can never run on this bench, or None."""
        return self._policy.impossible(job, self._state.capacity)

    def submit(self, jobs: Iterable[Job]) -> tuple[Decision, ...]:
        """Queue jobs that are ready. Returns what to start now, and what can never start."""
        self._submitted_at = self._ports.clock()
        return self._take(Submitted(tuple(jobs), self._submitted_at))

    def finish(
        self, job_id: str, outcome: Outcome = Outcome.OK, peak_mib: int | None = None
    ) -> tuple[Decision, ...]:
        """A job of ours ended; its lease is free unless processes of it still live."""
        return self._take(Finished(job_id, self._ports.clock(), outcome, peak_mib))

    def ended(self) -> tuple[PastRun, ...]:
        """The jobs of ours that ended since this was last asked."""
        ended, self._ended = tuple(self._ended), []
        return ended

    def withdraw(self, job_ids: Iterable[str]) -> tuple[Decision, ...]:
        """Waiting jobs of ours are no longer wanted."""
        return self._take(Withdrawn(tuple(job_ids), self._ports.clock()))

    def poll(self) -> tuple[Decision, ...]:
        """Look again: other engines, and programs outside nvinx, may have come or gone."""
        return self._take(CardsChanged(self._state.capacity.cards, self._ports.clock()))

    def await_change(self, timeout_s: float, pause: Callable[[float], object]) -> bool:
        """Wait until another engine sees room for a job of ours; False when it is over without.

        A notice may be missed, so `poll` in either case. pause: waits for so many seconds; where it
        returns something true, the wait is over.
        """
        if not self._state.capacity.cards:
            pause(timeout_s)
            return False
        least_s, most_s = _LISTEN_S
        left_s = timeout_s
        while not (notified := self._ports.liveness.was_notified(self._engine)) and left_s > 0:
            waited_s = self._ports.clock() - self._submitted_at
            seconds = min(max(least_s, waited_s / 10), most_s, left_s)
            if pause(seconds):
                break
            left_s -= seconds
        return notified

    def claim_process(self, job_id: str, pid: int) -> None:
        """This process is the job's, though it carries no marker: what it uses is the lease's."""
        started = self._ports.liveness.started(pid)
        if started is None:
            return
        with self._ports.ledger.transaction() as entries:
            for lease in entries.leases():
                if lease.id == job_id:
                    entries.note(replace(lease, seen=(*lease.seen, (pid, started))))

    def release_process(self, job_id: str, pid: int) -> None:
        """This process no longer uses the lease; what it keeps of the card is external use."""
        with self._ports.ledger.transaction() as entries:
            for lease in entries.leases():
                if lease.id == job_id:
                    entries.note(replace(lease, seen=tuple(s for s in lease.seen if s[0] != pid)))

    def add_cards(self, cards: Iterable[Card]) -> None:
        """Cards that were not there before; the next call may use them."""
        capacity = self._state.capacity
        known = {card.id for card in capacity.cards}
        new = tuple(card for card in cards if card.id not in known)
        capacity = replace(capacity, cards=(*capacity.cards, *new))
        self._state = replace(self._state, capacity=capacity)

    @property
    def awaits_card(self) -> bool:
        """True when a call to `poll` could start something that nothing of ours announces."""
        return any(w.job.claim.uses_gpu for w in self._state.waiting.values())

    @property
    def waits(self) -> dict[str, Reason]:
        """Why those jobs of ours wait that could use a card, as of the last call."""
        return {i: r.reason for i, r in self._requests.items() if r.reason is not None}

    def beside(self, job_id: str) -> tuple[Running, ...]:
        """Who shared the card, of any engine, when this job was placed there."""
        return self._co_residents.get(job_id, ())

    def is_on_card(self, job_id: str) -> bool:
        """Whether this job of ours runs on a card, as of the last call."""
        running = self._state.running.get(job_id)
        return running is not None and running.placement.card is not None

    def release(self, job_id: str) -> None:
        """Show no more life for the job, without the ledger: for when that is of no use."""
        self._ports.liveness.retire(job_id)

    def close(self) -> None:
        """Leave: waiting requests are taken back, leases stay with the processes that use them."""
        try:
            if self._requests or self._outlived:
                with self._ports.ledger.transaction() as entries:
                    for job_id in self._requests:
                        entries.dequeue(job_id)
                    self._everyone.living_leases(entries)
        finally:
            self._requests.clear()
            for running in self._state.running.values():
                self._ports.liveness.retire(running.job.id)
            self._ports.liveness.retire(self._engine)

    def _take(self, event: Event) -> tuple[Decision, ...]:
        if not self._touches_card(event):
            self._learn(event)
            self._state, decisions = step(self._state, event, self._policy)
            return decisions
        own, refused = apply(self._state, event, self._policy)
        self._ports.liveness.announce(self._engine)
        gone = self._left_nothing(event)
        begun: list[str] = []
        try:
            with self._ports.ledger.transaction() as entries:
                merged, decided = self._decide(entries, own, event, gone)
                ours = [start for start in decided.starts if start.job_id in own.waiting]
                self._enter(entries, merged, ours, begun)
                self._publish(entries, merged, decided, event.at)
        except BaseException:
            for token in begun:
                self._ports.liveness.retire(token)
            raise
        for engine in {engine_of(merged.running[s.job_id].job) for s in decided.starts}:
            if engine != self._engine:
                self._ports.liveness.notify(engine)
        self._state = self._own(merged)
        return (*refused, *ours)

    def _decide(
        self, entries: Transaction, own: State, event: Event, gone: str | None
    ) -> tuple[State, Round]:
        """A round with everybody in view: the merged state after it, and the round."""
        if isinstance(event, Finished):
            self._ports.liveness.retire(event.job_id)
            self._co_residents.pop(event.job_id, None)
        new = {job.id for job in event.jobs} if isinstance(event, Submitted) else set[str]()
        merged = self._everyone.merge(entries, own, new, gone)
        self._co_residency.observe(merged.running.values(), event.at)
        self._learn(event)
        merged = replace(merged, waiting=self._policy.in_order(merged.waiting))
        merged, decided = admit(merged, event.at, self._policy)
        self._co_residency.observe(merged.running.values(), event.at)
        return merged, decided

    def _left_nothing(self, event: Event) -> str | None:
        """The job that ended, where no process of it is left.

        Asked before the transaction, as it looks at every process of the machine; once there is
        none, nothing but this engine could start another.
        """
        if not isinstance(event, Finished):
            return None
        if self._ports.liveness.outlived(event.job_id):
            self._outlived.add(event.job_id)
            return None
        return event.job_id

    def _learn(self, event: Event) -> None:
        """Learn from a job that ended, with who shared its card."""
        if not isinstance(event, Finished) or event.job_id not in self._state.running:
            return
        ended = self._state.running[event.job_id]
        card_name = self._card_name(ended.placement.card)
        run = self._co_residency.finish(ended, event.at, card_name=card_name)
        run = replace(run, outcome=event.outcome, peak_mib=event.peak_mib)
        self._ended.append(run)
        self._statistics.add(run)

    def _card_name(self, card_id: str | None) -> str | None:
        """A card that has gone is known by its id."""
        return next((c.name for c in self._state.capacity.cards if c.id == card_id), card_id)

    def _touches_card(self, event: Event) -> bool:
        if not self._state.capacity.cards:
            return False
        if self.awaits_card or self._requests:
            return True
        match event:
            case Submitted(jobs=jobs):
                return any(job.claim.uses_gpu for job in jobs)
            case Finished(job_id=job_id):
                return self.is_on_card(job_id)
        return False

    def _enter(
        self, entries: Transaction, merged: State, ours: Iterable[Start], begun: list[str]
    ) -> None:
        """Write down the leases of what starts; life is announced before anybody can look."""
        for start in ours:
            if start.placement.card is None:
                continue
            job_id, running = start.job_id, merged.running[start.job_id]
            self._ports.liveness.announce(job_id)
            begun.append(job_id)
            entries.hold(Lease(running.job, start.placement, running.since))
            there = merged.on_card(start.placement.card)
            self._co_residents[job_id] = tuple(r for r in there if r.job.id != job_id)

    def _publish(self, entries: Transaction, merged: State, decided: Round, at: float) -> None:
        """Bring our waiting requests in the ledger up to date, quietly when nothing changed."""
        ours = {
            job_id: waiting
            for job_id, waiting in merged.waiting.items()
            if waiting.job.claim.uses_gpu and waiting.job.engine == self._engine
        }
        for gone in self._requests.keys() - ours.keys():
            entries.dequeue(gone)
            del self._requests[gone]
        for job_id, waiting in ours.items():
            old, reason = self._requests.get(job_id), decided.reason(waiting.job)
            if old is None or old.reason != reason or at - old.heartbeat_at > HEARTBEAT_S:
                self._requests[job_id] = QueuedRequest(waiting.job, waiting.since, at, reason)
                entries.enqueue(self._requests[job_id])

    def _own(self, merged: State) -> State:
        """Only what is ours; the cards are as everybody left them."""
        return replace(
            merged,
            waiting={i: w for i, w in merged.waiting.items() if w.job.engine == self._engine},
            running={i: r for i, r in merged.running.items() if r.job.engine == self._engine},
        )
