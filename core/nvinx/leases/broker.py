"""One engine's part in the machine-wide admission: what it submits here is placed beside everyone.

A broker keeps its engine's own jobs in memory and takes a turn at the ledger whenever a card is
involved. In a turn it drops the leases of the dead, adds the other engines' leases and requests to
its own state, lets `admission.step` decide, and writes down what changed, all in one transaction.
Engines that only run CPU work never open the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nvinx.admission.co_residency import CoResidency
from nvinx.admission.events import CardsChanged, Finished, Start, Submitted, Withdrawn
from nvinx.admission.policy import LongestChainFirst, options
from nvinx.admission.state import Running, State, Waiting
from nvinx.admission.step import Nothing, step
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.outcome import Outcome
from nvinx.leases.external_use import owners, with_external_use
from nvinx.leases.ports import Lease, QueuedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.admission.events import Decision, Event, Policy
    from nvinx.admission.state import Job, Placement
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.gpu.ports import GpuProbe
    from nvinx.history.runs import PastRun
    from nvinx.host.clock import Clock
    from nvinx.leases.ports import Ledger, Liveness, Transaction
    from nvinx.reasons import Reason

UNHEARD_AFTER_S = 10.0
HEARTBEAT_S = 2.0
_GUEST = "guest:"


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
        self._policy = policy or LongestChainFirst()
        self._state = State(capacity)
        self._asked: dict[str, QueuedRequest] = {}
        self._co_residents: dict[str, tuple[Running, ...]] = {}
        self._room_for: set[str] = set()
        self._outlived: set[str] = set()

    @property
    def state(self) -> State:
        """This engine's own jobs, as of the last call."""
        return self._state

    def impossible(self, job: Job) -> Reason | None:
        """Why the job can never run on this bench, or None."""
        return self._policy.impossible(job, self._state.capacity)

    def submit(self, jobs: Iterable[Job]) -> tuple[Decision, ...]:
        """Queue jobs that are ready. Returns what to start now, and what can never start."""
        return self._take(Submitted(tuple(jobs), self._ports.clock()))

    def finish(
        self, job_id: str, outcome: Outcome = Outcome.OK, peak_mib: int | None = None
    ) -> tuple[Decision, ...]:
        """A job of ours ended; its lease is free unless processes of it still live."""
        return self._take(Finished(job_id, self._ports.clock(), outcome, peak_mib))

    def claim_process(self, job_id: str, pid: int) -> None:
        """This process is the job's, though it carries no marker: what it uses is the lease's."""
        started = self._ports.liveness.started(pid)
        if started is None:
            return
        with self._ports.ledger.transaction() as entries:
            for lease in entries.leases():
                if lease.id == job_id:
                    entries.note(replace(lease, seen=(*lease.seen, (pid, started))))

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

    def is_called(self) -> bool:
        """Whether another engine saw room for a job of ours, so that it is worth a `poll`."""
        return self._ports.liveness.was_notified(self._engine)

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
        return {i: r.reason for i, r in self._asked.items() if r.reason is not None}

    def beside(self, job_id: str) -> tuple[Running, ...]:
        """Who shared the card, of any engine, when this job was placed there."""
        return self._co_residents.get(job_id, ())

    def is_on_card(self, job_id: str) -> bool:
        """Whether this job of ours runs on a card, as of the last call."""
        running = self._state.running.get(job_id)
        return running is not None and running.placement.card is not None

    def release(self, job_id: str) -> None:
        """Show no more life for the job, without a turn: for when the ledger is of no use."""
        self._ports.liveness.retire(job_id)

    def close(self) -> None:
        """Leave: waiting requests are taken back, leases stay with the processes that use them."""
        try:
            if self._asked or self._outlived:
                with self._ports.ledger.transaction() as entries:
                    for job_id in self._asked:
                        entries.dequeue(job_id)
                    self._living_leases(entries, None)
        finally:
            self._asked.clear()
            for running in self._state.running.values():
                self._ports.liveness.retire(running.job.id)
            self._ports.liveness.retire(self._engine)

    def _take(self, event: Event) -> tuple[Decision, ...]:
        if not self._touches_card(event):
            self._remember(event)
            self._state, decisions = step(self._state, event, self._policy)
            return decisions
        self._ports.liveness.announce(self._engine)
        begun: list[str] = []
        gone = self._gone(event)
        try:
            with self._ports.ledger.transaction() as entries:
                merged, ours = self._turn(entries, event, gone)
                self._enter(entries, merged, ours, begun)
                self._publish(entries, merged, event.at)
        except BaseException:
            for token in begun:
                self._ports.liveness.retire(token)
            raise
        for engine in self._room_for:
            self._ports.liveness.notify(engine)
        self._state = self._own(merged)
        return ours

    def _gone(self, event: Event) -> str | None:
        """The job that ended and left no process behind.

        Asked before the turn, as it takes a look at every process of the machine; once it has
        left none, nothing but this engine could start another.
        """
        if not isinstance(event, Finished):
            return None
        if self._ports.liveness.outlived(event.job_id):
            self._outlived.add(event.job_id)
            return None
        return event.job_id

    def _turn(
        self, entries: Transaction, event: Event, gone: str | None
    ) -> tuple[State, tuple[Decision, ...]]:
        """Decide with everybody in view; returns the merged state and what concerns our jobs."""
        own, mine = self._state, set(self._state.waiting)
        if isinstance(event, Finished):
            own, _ = step(own, event, Nothing())
            self._ports.liveness.retire(event.job_id)
            self._co_residents.pop(event.job_id, None)
        elif isinstance(event, Submitted):
            mine |= {job.id for job in event.jobs}
        merged = self._merge(entries, own, gone)
        self._co_residency.observe(merged.running.values(), event.at)
        self._remember(event)
        if isinstance(event, Finished | CardsChanged):
            event = CardsChanged(merged.capacity.cards, event.at)
        merged, decisions = step(merged, event, self._policy)
        self._co_residency.observe(merged.running.values(), event.at)
        starts = [d.job_id for d in decisions if isinstance(d, Start) and d.job_id not in mine]
        self._room_for = {merged.running[i].job.engine.removeprefix(_GUEST) for i in starts}
        return merged, tuple(d for d in decisions if d.job_id in mine)

    def _remember(self, event: Event) -> None:
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
        """The make of a card; a card that has gone is known by its id."""
        return next((c.name for c in self._state.capacity.cards if c.id == card_id), card_id)

    def _touches_card(self, event: Event) -> bool:
        if not self._state.capacity.cards:
            return False
        if self.awaits_card or self._asked:
            return True
        match event:
            case Submitted(jobs=jobs):
                return any(job.claim.uses_gpu for job in jobs)
            case Finished(job_id=job_id):
                return self.is_on_card(job_id)
        return False

    def _merge(self, entries: Transaction, own: State, gone: str | None) -> State:
        """Our state with everybody else's leases and requests added as guests."""
        leases = self._living_leases(entries, gone)
        cards = self._look(entries, leases)
        left = None if self._ports.ram_left is None else self._ports.ram_left()
        state = replace(own, capacity=replace(own.capacity, cards=cards, ram_left_mib=left))
        running = dict(state.running)
        for lease in leases:
            if lease.id not in running:
                running[lease.id] = Running(_guest(lease.job), _seen(lease.placement), lease.since)
        waiting = dict(state.waiting)
        for request in self._heard_requests(entries):
            job = _guest(request.job)
            if request.id not in waiting and _wants_card(job, state.capacity):
                waiting[request.id] = Waiting(job, request.since)
        return replace(state, running=running, waiting=self._policy.in_line(waiting))

    def _living_leases(self, entries: Transaction, gone: str | None) -> tuple[Lease, ...]:
        """All leases but those of the dead, which are dropped here and now."""
        leases = entries.leases()
        alive = self._ports.liveness.alive([lease.id for lease in leases if lease.id != gone])
        silent = [lease for lease in leases if lease.id not in alive]
        if silent and self._ports.probe is not None:
            on_gpu = {p.pid for gpu in self._ports.probe.read().gpus for p in gpu.processes}
            alive |= {lease.id for lease in silent if self._seen_on(lease, on_gpu)}
        for lease in silent:
            if lease.id not in alive:
                entries.drop(lease.id)
        return tuple(lease for lease in leases if lease.id in alive)

    def _seen_on(self, lease: Lease, pids: set[int]) -> bool:
        """The third sign: a process once known as the job's is still on a GPU."""
        started = self._ports.liveness.started
        return any(pid in pids and started(pid) == start for pid, start in lease.seen)

    def _look(self, entries: Transaction, leases: tuple[Lease, ...]) -> tuple[Card, ...]:
        """The cards with their external use; new processes of leases are noted."""
        cards = self._state.capacity.cards
        if self._ports.probe is None:
            return cards
        inventory = self._ports.probe.read()
        owned = owners(inventory, leases, self._ports.liveness)
        for lease in leases:
            known = dict(lease.seen)
            mine = [pid for pid, token in owned.items() if token == lease.id and pid not in known]
            fresh = [(pid, start) for pid in mine if (start := self._ports.liveness.started(pid))]
            if fresh:
                entries.note(replace(lease, seen=(*lease.seen, *fresh)))
        return with_external_use(cards, inventory, leases, owned)

    def _heard_requests(self, entries: Transaction) -> tuple[QueuedRequest, ...]:
        """Other engines' requests that stand in line; those of the dead and silent are dropped."""
        now, own = self._ports.clock(), self._state.waiting
        others = [r for r in entries.requests() if r.id not in own]
        engines = self._ports.liveness.alive({r.job.engine for r in others})
        heartbeat_s = []
        for request in others:
            if request.job.engine not in engines or request.job.engine == self._engine:
                entries.dequeue(request.id)
            elif now - request.heartbeat_s < UNHEARD_AFTER_S and not _lacks_machine(request.reason):
                heartbeat_s.append(request)
        return tuple(heartbeat_s)

    def _enter(
        self, entries: Transaction, merged: State, ours: tuple[Decision, ...], begun: list[str]
    ) -> None:
        """Write down the leases of what starts; life begins before anybody can look."""
        for start in ours:
            if isinstance(start, Start) and start.placement.card is not None:
                self._ports.liveness.announce(start.job_id)
                begun.append(start.job_id)
                job = merged.running[start.job_id].job
                entries.hold(Lease(job, start.placement, merged.running[start.job_id].since))
                there = merged.on_card(start.placement.card)
                self._co_residents[start.job_id] = tuple(
                    r for r in there if r.job.id != start.job_id
                )

    def _publish(self, entries: Transaction, merged: State, at: float) -> None:
        """Bring our waiting requests in the ledger up to date, quietly when nothing changed."""
        gpu = {i: w for i, w in merged.waiting.items() if w.job.claim.uses_gpu}
        reasons = self._policy.reasons(replace(merged, waiting=gpu), at) if gpu else {}
        ours = {i: w for i, w in gpu.items() if w.job.engine == self._engine}
        for gone in self._asked.keys() - ours.keys():
            entries.dequeue(gone)
            del self._asked[gone]
        for job_id, waiting in ours.items():
            old, reason = self._asked.get(job_id), reasons.get(job_id)
            if old is None or old.reason != reason or at - old.heartbeat_s > HEARTBEAT_S:
                self._asked[job_id] = QueuedRequest(waiting.job, waiting.since, at, reason)
                entries.enqueue(self._asked[job_id])

    def _own(self, merged: State) -> State:
        return replace(
            merged,
            waiting={i: w for i, w in merged.waiting.items() if w.job.engine == self._engine},
            running={i: r for i, r in merged.running.items() if r.job.engine == self._engine},
        )


def _guest(job: Job) -> Job:
    """Another engine's job: it counts on the card; cores and RAM are its own engine's business."""
    claim = replace(job.claim, cores=0, ram_mib=0)
    return replace(job, claim=claim, engine=_GUEST + job.engine)


def _seen(placement: Placement) -> Placement:
    """Another engine's placement: the RAM that a model spills into is gone for everybody."""
    spills = placement.residency is Residency.GPU_RAM_OVERFLOW
    return placement if spills else replace(placement, ram_mib=0)


def _wants_card(job: Job, capacity: Capacity) -> bool:
    return any(residency.uses_gpu for residency in options(job.claim, capacity))


def _lacks_machine(reason: Reason | None) -> bool:
    return reason is not None and reason.of_machine
