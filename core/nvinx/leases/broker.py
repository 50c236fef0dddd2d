"""One engine's part in the machine-wide admission: what it submits is placed beside everyone's.

A broker keeps its engine's own jobs in memory and opens a transaction of the ledger whenever a card
is involved: it takes note of what happened to its own jobs, merges everybody else's, lets the
policy decide, and writes down what changed. Engines that only run CPU work never open the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from nvinx.admission.events import (
    CameBack,
    CardsChanged,
    Finished,
    Stayed,
    Submitted,
    Suspended,
    Withdrawn,
)
from nvinx.admission.job import Running, Waiting
from nvinx.admission.planner.plan import NO_PLAN
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply
from nvinx.errors import LookOnlyError
from nvinx.jobs.outcome import Outcome
from nvinx.leases import suspended_leases
from nvinx.leases.everyone import Everyone, engine_of
from nvinx.leases.front import Front
from nvinx.leases.lessons import Lessons
from nvinx.leases.ports import Lease
from nvinx.leases.repetition import again_if_lost
from nvinx.reasons import Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nvinx.admission.events import Decision, Event, Policy, Reclaim, Round, Start
    from nvinx.admission.job import Job, Placement
    from nvinx.admission.planner.planner import Planner
    from nvinx.admission.planner.work import Upcoming
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.history.runs import PastRun
    from nvinx.history.statistics import RunStatistics
    from nvinx.leases.ports import Ports, Transaction
    from nvinx.reasons import Reason

_LOOK_AGAIN_S = 0.25  # at the front of the line: room may come from programs outside nvinx
_ASKED_S = 1.0  # where nothing waits, and others may ask for a card
_FAR_BACK_S = 5.0
_NEAR = 4  # how many before the first of ours are few

_Seen: TypeAlias = tuple[tuple[int, int], ...]


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
        """statistics: is told of each job that ends, before anything is decided upon it.

        planner: looks ahead before each turn, while nobody else wants the cards; nobody does until
        it is set. upcoming: the jobs of ours that are not ready yet, for it to know.
        """
        self._engine = engine
        self._ports = ports
        self._lessons = Lessons(statistics, ports.asleep)
        self._everyone = Everyone(engine, ports)
        self._policy = policy or LongestChainFirst()
        self.planner: Planner | None = None
        self._plan, self._planned = NO_PLAN, self._policy
        self._kept_until_s: float | None = None
        self._handed_over: set[str] = set()
        self._undone: set[str] = set()
        self.upcoming: Sequence[Upcoming] = ()
        self._state = State(capacity)
        self._front = Front(engine)
        self._co_residents: dict[str, tuple[Running, ...]] = {}
        self._outlived: set[str] = set()

    @property
    def looks_ahead(self) -> bool:
        """Whether it is of use to set `upcoming`: the jobs that are not ready yet."""
        return self.planner is not None and bool(self._state.capacity.cards)

    @property
    def state(self) -> State:
        """This engine's own jobs, as of the last call."""
        return self._state

    def impossible(self, job: Job) -> Reason | None:
        """Why the job can never run on this bench, or None."""
        return self._policy.impossible(job, self._state.capacity)

    def submit(
        self, jobs: Iterable[Job], since: Mapping[str, float] | None = None
    ) -> tuple[Decision, ...]:
        """Queue jobs that are ready. Returns what to start now, and what can never start.

        since: when those were first asked for that were withdrawn and come again, by the clock.
        """
        return self._take(Submitted(tuple(jobs), self._ports.clock(), since or {}))

    def finish(
        self, job_id: str, outcome: Outcome = Outcome.OK, peak_mib: int | None = None
    ) -> tuple[Decision, ...]:
        """A job of ours ended; its lease is free unless processes of it still live."""
        return self._take(Finished(job_id, self._ports.clock(), outcome, peak_mib))

    def suspended(self, job_id: str, used_mib: int | None = None) -> tuple[Decision, ...]:
        """The memory of a running job of ours is in RAM: its card is free, and it waits to go on.

        used_mib: what it had used of the card, if that was seen. A `Start` of it says that there is
        room again.
        """
        return self._take(Suspended(job_id, self._ports.clock(), used_mib))

    def stayed(self, job_id: str) -> tuple[Decision, ...]:
        """A job of ours could not be suspended: it keeps its card, and is not asked again."""
        return self._take(Stayed(job_id, self._ports.clock()))

    def came_back(self, job_id: str) -> tuple[Decision, ...]:
        """The memory of a suspended job of ours is on its card again; the RAM for it is free."""
        return self._take(CameBack(job_id, self._ports.clock()))

    def adopt(self, lease: Lease) -> None:
        """Take over a job whose engine died while it was suspended: one that is off its card waits
        for room from the next `poll` on, another holds its room. Nobody is to ask it again.
        """
        claim = replace(lease.job.claim, preemptible=None)
        job = replace(lease.job, engine=self._engine, claim=claim)
        if lease.placement.is_off_card:
            queue = self._state.waiting.plus([Waiting(job, self._ports.clock())])
            suspended = {**self._state.suspended, lease.id: lease.placement}
            self._state = replace(self._state, waiting=queue, suspended=suspended)
        else:
            running = Running(job, lease.placement, lease.since)
            self._state = replace(self._state, running={**self._state.running, lease.id: running})

    def ended(self) -> tuple[PastRun, ...]:
        """The jobs of ours that ended since this was last asked."""
        return self._lessons.take()

    def withdraw(self, job_ids: Iterable[str]) -> tuple[Decision, ...]:
        """Waiting jobs of ours are no longer wanted."""
        return self._take(Withdrawn(tuple(job_ids), self._ports.clock()))

    def poll(self) -> tuple[Decision, ...]:
        """Look again: other engines, and programs outside nvinx, may have come or gone.

        Nobody is kept from the ledger unless there is something to write.
        """
        event = CardsChanged(self._state.capacity.cards, self._ports.clock())
        if not self._touches_card(event) or self._kept_in_vain(event.at):
            return self._take(event)
        own, _ = apply(self._state, event, self._policy)
        try:
            after, merged, decided = again_if_lost(lambda: self._look(own, event))
        except LookOnlyError:
            return self._take(event)
        if len(after.waiting) < len(own.waiting):
            return self._take(event)  # on the CPU, where nothing is to be written down
        self._tell(merged, decided)
        self._state = after
        self._observe(merged, event.at)
        return ()

    def _kept_in_vain(self, at: float) -> bool:
        """Whether places were kept for jobs of ours that did not come."""
        return self._kept_until_s is not None and at > self._kept_until_s

    def _look(self, own: State, event: Event) -> tuple[State, State, Round]:
        """A turn that writes nothing. Raises LookOnlyError."""
        with self._ports.ledger.look() as entries:
            return self._turn(entries, own, event, None)

    def await_change(self, timeout_s: float, wake: int | None = None) -> bool:
        """Wait until another engine says that it is worth a look; False when it is over without.

        A notice may be missed, so `poll` after `look_again_s` in either case. wake: a file
        descriptor that ends the wait when there is something to read.
        """
        return self._ports.liveness.await_notice(self._engine, timeout_s, wake)

    @property
    def look_again_s(self) -> float:
        """How long to wait for a notice before the next look: the further back, the longer."""
        if not self.awaits_card:
            return _ASKED_S
        return min(_LOOK_AGAIN_S * 2.0**self._everyone.ahead, _FAR_BACK_S)

    def claim_process(self, job_id: str, pid: int) -> None:
        """This process is the job's, though it carries no marker: what it uses is the lease's."""
        started = self._ports.liveness.started(pid)
        if started is not None:
            self._note(job_id, lambda seen: (*seen, (pid, started)))

    def release_process(self, job_id: str, pid: int) -> None:
        """This process no longer uses the lease; what it keeps of the card is external use."""
        self._note(job_id, lambda seen: tuple(one for one in seen if one[0] != pid))

    def _note(self, job_id: str, changed: Callable[[_Seen], _Seen]) -> None:
        again_if_lost(lambda: self._note_in_ledger(job_id, changed))

    def _note_in_ledger(self, job_id: str, changed: Callable[[_Seen], _Seen]) -> None:
        with self._ports.ledger.transaction() as entries:
            for lease in entries.leases():
                if lease.id == job_id:
                    entries.note(replace(lease, seen=changed(lease.seen)))

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
        return self._state.waiting.on_gpu > 0

    @property
    def is_watching(self) -> bool:
        """True when others may start something of ours, or ask for what it holds, and when a place
        is kept for a job of ours that may not come.
        """
        return self.awaits_card or self._may_be_asked or self._kept_until_s is not None

    @property
    def _may_be_asked(self) -> bool:
        """Whether a running job of ours has agreed to give its card back, or a part of it."""
        running = self._state.running.values()
        agreed = (
            r.job.claim.preemptible or r.job.claim.elastic_mib for r in running if r.placement.card
        )
        return any(agreed)

    @property
    def waits(self) -> dict[str, Reason]:
        """Why the first jobs of ours wait that could use a card, as of not long ago."""
        return self._front.reasons

    def beside(self, job_id: str) -> tuple[Running, ...]:
        """Who shared a card with it, of any engine, when this job was placed."""
        return self._co_residents.get(job_id, ())

    def elastic(self, job_id: str) -> Placement | None:
        """What a job of a range of VRAM holds and may use, as of the last call; None for others."""
        return self._everyone.elastic.placement(job_id)

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
            if self._front.is_shown or self._outlived:
                again_if_lost(self._leave)
        finally:
            self._front = Front(self._engine)
            for job_id in (*self._state.running, *self._state.suspended):
                self._ports.liveness.retire(job_id)
            self._ports.liveness.retire(self._engine)

    def _leave(self) -> None:
        with self._ports.ledger.transaction() as entries:
            entries.leave(self._engine)
            self._everyone.living_leases(entries)

    def _take(self, event: Event) -> tuple[Decision, ...]:
        if not self._touches_card(event):
            self._learn(event)
            own, refused = apply(self._state, event, self._policy)
            self._look_ahead(own, event)
            self._state, decided = admit(own, event.at, self._planned)
            self._observe(self._state, event.at)
            self._lessons.note_sleep(self._state.running)
            return (*refused, *decided.starts, *decided.reclaims)
        own, refused = apply(self._state, event, self._policy)
        self._ports.liveness.announce(self._engine)
        self._ports.liveness.listen(self._engine)
        gone = self._left_nothing(event)
        self._look_ahead(own, event)
        after, merged, decided = again_if_lost(lambda: self._write_turn(own, event, gone))
        self._tell(merged, decided)
        self._tell_judging()
        self._state = after
        self._observe(merged, event.at)
        self._lessons.note_sleep(self._state.running)
        starts = (start for start in decided.starts if start.job_id in own.waiting)
        return (*refused, *starts, *_asked_of(own, decided))

    def _look_ahead(self, own: State, event: Event) -> None:
        """Make a plan for the turn that follows, before anybody is kept from the ledger."""
        if self.planner is None:
            return
        self._plan = self.planner.plan(own, event.at, self._to_come(event))
        self._planned = self._policy.following(self._plan)
        self._kept_until_s = self._plan.until_s if self._plan.awaited else None

    def _to_come(self, event: Event) -> list[Upcoming]:
        """The jobs that are not handed over yet, but for those behind one that came to nothing."""
        match event:
            case Submitted(jobs=jobs):
                self._handed_over.update(job.id for job in jobs)
                self._undone.difference_update(job.id for job in jobs)
            case Finished(job_id=job_id, outcome=outcome) if outcome is not Outcome.OK:
                self._undone.add(job_id)
            case Withdrawn(job_ids=job_ids):
                self._undone.update(job_ids)
            case _:
                pass
        never, ahead = set(self._undone), []
        for one in self.upcoming:
            if not never.isdisjoint(one.after):
                never.add(one.job.id)
            elif one.job.id not in self._handed_over:
                ahead.append(one)
        return ahead

    def _observe(self, state: State, at: float) -> None:
        """Who runs from now on counts for how far the others are, also for a mere look."""
        if self.planner is not None:
            self._plan = replace(self._plan, done=self.planner.observe(state, at))
            self._planned = self._policy.following(self._plan)

    def _write_turn(self, own: State, event: Event, gone: str | None) -> tuple[State, State, Round]:
        """A turn in one transaction; what starts in it shows life only if it is written down."""
        begun: list[str] = []
        try:
            with self._ports.ledger.transaction() as entries:
                return self._turn(entries, own, event, gone, begun)
        except BaseException:
            for token in begun:
                self._ports.liveness.retire(token)
            raise

    def _turn(
        self,
        entries: Transaction,
        own: State,
        event: Event,
        gone: str | None,
        begun: list[str] | None = None,
    ) -> tuple[State, State, Round]:
        """Decide with everybody in view, and write down what is new.

        Our own state after it, everybody's, and the round.
        begun: what starts is added to it before anybody else can see that; None at a mere look.
        """
        suspended_leases.write_down(entries, own, event)
        merged, decided = self._decide(entries, own, event, gone)
        ours = [start for start in decided.starts if start.job_id in own.waiting]
        self._enter(entries, merged, ours, begun)
        self._give_back(entries, merged, _asked_of(own, decided), begun)
        self._everyone.elastic.rebudget(entries, decided.budgets, event.at)
        for engine in _others(merged, decided, own):
            self._everyone.ask(entries, engine)
        after = _with_starts(replace(own, capacity=merged.capacity), merged, ours)
        after = _with_reclaims(after, merged, _asked_of(own, decided))
        us, is_near = self._everyone.us, self._everyone.ahead < _NEAR
        self._front.show(entries, after.waiting, decided, event.at, is_near=is_near)
        now = self._ports.clock()  # later than whatever was asked until now
        self._front.answer(entries, us, after.waiting.on_gpu, now, is_near=is_near)
        return after, merged, decided

    def _decide(
        self, entries: Transaction, own: State, event: Event, gone: str | None
    ) -> tuple[State, Round]:
        """A round with everybody in view: the merged state after it, and the round."""
        if isinstance(event, Finished):
            self._ports.liveness.retire(event.job_id)
            self._co_residents.pop(event.job_id, None)
        new = {job.id for job in event.jobs} if isinstance(event, Submitted) else set[str]()
        merged = self._everyone.merge(entries, own, new, gone)
        self._lessons.observe(merged.running.values(), event.at)
        self._learn(event)
        policy = self._planned if _is_alone(own, merged) else self._policy
        merged, decided = admit(merged, event.at, policy)
        self._lessons.observe(merged.running.values(), event.at)
        return merged, decided

    def _tell(self, merged: State, decided: Round) -> None:
        """Notify the engines that could start a job or are to give a card back, and those that may
        wait for our answer; and tell jobs what they may use.

        Also those whose jobs are kept from a card only by what we are about to learn.
        """
        us = self._everyone.us
        could = [merged.running[start.job_id].job for start in decided.starts]
        could += [
            merged.waiting[job_id].job
            for job_id, reason in decided.waits.items()
            if reason.why is Why.LESSON_AWAITED
        ]
        could += [merged.running[asked.job_id].job for asked in decided.reclaims]
        could += [merged.running[one.job_id].job for one in decided.budgets]
        self._everyone.elastic.tell()
        engines = {engine_of(job) for job in could}
        if us is not None and us.owes_answer:
            engines |= {us.asked_by, *self._everyone.near}
        for engine in engines - {self._engine}:
            self._ports.liveness.notify(engine)

    def _tell_judging(self) -> None:
        """Something changed: notify those of whom only they themselves know what they wait for."""
        for engine in self._everyone.judging:
            self._ports.liveness.notify(engine)

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
        if isinstance(event, Finished):
            self._lessons.learn(event, self._state)

    def _touches_card(self, event: Event) -> bool:
        if not self._state.capacity.cards:
            return False
        if self.awaits_card or self._front.is_shown:
            return True
        match event:
            case Submitted(jobs=jobs):
                return any(job.claim.uses_gpu for job in jobs)
            case Finished(job_id=job_id):
                return self.is_on_card(job_id)
            case CardsChanged():
                return self._may_be_asked
            case _:
                return isinstance(event, Suspended | Stayed | CameBack)

    def _give_back(
        self,
        entries: Transaction,
        merged: State,
        asked: Sequence[Reclaim],
        begun: list[str] | None,
    ) -> None:
        """Write down which of our leases are given back, so that nobody asks for more."""
        if asked and begun is None:
            raise LookOnlyError
        for one in asked:
            entries.give_back(one.job_id, merged.running[one.job_id].placement)

    def _enter(
        self,
        entries: Transaction,
        merged: State,
        ours: Iterable[Start],
        begun: list[str] | None,
    ) -> None:
        """Write down the leases of what starts; life is announced before anybody can look."""
        for start in ours:
            if start.placement.card is None:
                continue
            job_id, running = start.job_id, merged.running[start.job_id]
            if begun is None:
                raise LookOnlyError
            if running.placement.suspension is not None:
                suspended_leases.take_room(entries, running)
                continue
            self._ports.liveness.announce(job_id)
            begun.append(job_id)
            lease = Lease(running.job, start.placement, running.since)
            entries.hold(lease)
            self._everyone.elastic.enter(lease)
            cards = start.placement.cards
            there = {r.job.id: r for card_id in cards for r in merged.on_card(card_id)}
            self._co_residents[job_id] = tuple(r for r in there.values() if r.job.id != job_id)
            self._everyone.forget_answers()


def _is_alone(own: State, merged: State) -> bool:
    """Whether no other engine holds a card, or waits for one: a plan knows of our jobs alone."""
    ours = len(own.running) + len(own.waiting)
    return ours == len(merged.running) + len(merged.waiting)


def _others(merged: State, decided: Round, own: State) -> set[str]:
    """The engines of those who could start and are not ours."""
    starts = (s.job_id for s in decided.starts if s.job_id not in own.waiting)
    return {engine_of(merged.running[job_id].job) for job_id in starts}


def _asked_of(own: State, decided: Round) -> tuple[Reclaim, ...]:
    """Who of our own is to give a card back."""
    return tuple(one for one in decided.reclaims if one.job_id in own.running)


def _with_reclaims(own: State, merged: State, asked: Sequence[Reclaim]) -> State:
    """Our own state, in which these jobs of ours give their card back."""
    if not asked:
        return own
    giving = {one.job_id: merged.running[one.job_id] for one in asked}
    return replace(own, running={**own.running, **giving})


def _with_starts(own: State, merged: State, starts: Sequence[Start]) -> State:
    """Our own state with these jobs of ours running."""
    if not starts:
        return own
    ids = [start.job_id for start in starts]
    running = {**own.running, **{job_id: merged.running[job_id] for job_id in ids}}
    suspended = {i: held for i, held in own.suspended.items() if i not in running}
    return replace(own, waiting=own.waiting.minus(ids), running=running, suspended=suspended)
