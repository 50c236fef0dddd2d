"""Whatever order things happen in, a suspended job has its RAM, or its room, and comes back."""

from builders import card, job
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from nvinx.admission.events import (
    CameBack,
    CardsChanged,
    Finished,
    Start,
    Stayed,
    Submitted,
    Suspended,
)
from nvinx.admission.job import Phase
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.jobs.preemption import Mode, Preemptible

POLICY = LongestChainFirst(patience_s=5)
SUSPEND = Preemptible(Mode.SUSPEND)
HOW = st.sampled_from((SUSPEND, SUSPEND, None))

claims = st.builds(
    Claim,
    residency=st.sampled_from((Residency.GPU_SHARED, Residency.GPU_EXCLUSIVE, Residency.CPU_ONLY)),
    vram_mib=st.integers(1, 3000),
    ram_mib=st.integers(0, 3000),
    cores=st.integers(0, 2),
    runtime_s=st.sampled_from((10.0, 1000.0, None)),
    priority=st.sampled_from((0, 0, 10)),
    preemptible=HOW,
    preempts=st.sampled_from((5, None)),
)


class Bench(RuleBasedStateMachine):
    @initialize(cards=st.integers(1, 2), ram_mib=st.integers(4000, 12000))
    def begin(self, cards, ram_mib):
        there = tuple(card(i, total_mib=4000, headroom_mib=300) for i in range(cards))
        self.state = State(Capacity(there, 4, ram_mib))
        self.at, self.number, self.open = 0.0, 0, set()
        self.left = {}

    def take(self, event):
        self.at += 1.0
        self.state, decisions = step(self.state, event, POLICY)
        for decision in decisions:
            if isinstance(decision, Start) and decision.job_id in self.left:
                assert decision.placement.card == self.left.pop(decision.job_id)

    def of(self, phase):
        suspensions = {i: r.placement.suspension for i, r in self.state.running.items()}
        return sorted(i for i, s in suspensions.items() if s is not None and s.phase is phase)

    @rule(batch=st.lists(claims, min_size=1, max_size=3), wait=st.floats(0, 100))
    def submit(self, batch, wait):
        self.at += wait
        jobs = [job(str(self.number + k), claim) for k, claim in enumerate(batch)]
        self.number += len(jobs)
        self.take(Submitted(tuple(jobs), self.at))
        self.open |= {j.id for j in jobs if j.id in {*self.state.waiting, *self.state.running}}

    @precondition(lambda self: self.of(Phase.LEAVING))
    @rule(data=st.data(), used_mib=st.one_of(st.none(), st.integers(0, 3500)))
    def leave(self, data, used_mib):
        job_id = data.draw(st.sampled_from(self.of(Phase.LEAVING)))
        self.left[job_id] = self.state.running[job_id].placement.card
        self.take(Suspended(job_id, self.at, used_mib))

    @precondition(lambda self: self.of(Phase.LEAVING))
    @rule(data=st.data())
    def stay(self, data):
        self.take(Stayed(data.draw(st.sampled_from(self.of(Phase.LEAVING))), self.at))

    @precondition(lambda self: self.of(Phase.COMING_BACK))
    @rule(data=st.data())
    def come_back(self, data):
        self.take(CameBack(data.draw(st.sampled_from(self.of(Phase.COMING_BACK))), self.at))

    @precondition(lambda self: self.state.running or self.state.suspended)
    @rule(data=st.data(), wait=st.floats(0, 100))
    def finish(self, data, wait):
        self.at += wait
        there = sorted({*self.state.running, *self.state.suspended})
        job_id = data.draw(st.sampled_from(there))
        self.open.discard(job_id)
        self.left.pop(job_id, None)
        self.take(Finished(job_id, self.at))

    @rule(foreign=st.integers(0, 4000))
    def outside_use_changes(self, foreign):
        cards = tuple(replace(c, foreign_mib=foreign) for c in self.state.capacity.cards)
        self.take(CardsChanged(cards, self.at))

    @invariant()
    def holds(self):
        check(self.state)

    @invariant()
    def nobody_is_lost(self):
        assert {*self.state.waiting, *self.state.running} == self.open

    @invariant()
    def who_is_off_its_card_waits_for_it_with_its_ram(self):
        assert self.state.suspended.keys() == self.left.keys()
        for job_id, held in self.state.suspended.items():
            assert job_id in self.state.waiting
            assert held.is_off_card
            assert held.ram_mib >= held.suspension.ram_mib > 0

    def teardown(self):
        """With no outside use left, all that were suspended come back and end."""
        if not hasattr(self, "state"):
            return
        self.outside_use_changes(0)
        while self.state.running:
            job_id = next(iter(self.state.running))
            self.open.discard(job_id)
            self.take(Finished(job_id, self.at))
        assert not self.state.suspended


Bench.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSuspension = Bench.TestCase
