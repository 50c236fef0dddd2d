"""Whatever order things happen in, nothing is oversubscribed, lost, or started twice."""

import pytest
from builders import card, job
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from nvinx.admission import explain, policy
from nvinx.admission.events import CardsChanged, Finished, Refuse, Start, Submitted, Withdrawn
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.claim import Claim

POLICY = LongestChainFirst(patience_s=5)

COUNTS = (CardCount(1, 1), CardCount(1, 1), CardCount(2, 2), CardCount(1, 2), CardCount(2, 3))

claims = st.builds(
    Claim,
    residency=st.sampled_from(Residency),
    vram_mib=st.integers(1, 5000),
    ram_mib=st.integers(0, 9000),
    cores=st.integers(0, 4),
    cpu_fallback=st.booleans(),
    ram_overflow=st.booleans(),
    priority=st.integers(0, 2),
    cards=st.sampled_from(COUNTS),
    runtime_s=st.sampled_from((None, 5.0, 30.0)),
    cpu_runtime_s=st.sampled_from((None, 20.0, 90.0)),
)


class Bench(RuleBasedStateMachine):
    @initialize(sizes=st.lists(st.integers(500, 4500), max_size=4), cores=st.integers(1, 4))
    def begin(self, sizes, cores):
        cards = tuple(card(i, total_mib=s, headroom_mib=300) for i, s in enumerate(sizes))
        self.state = State(Capacity(cards, cores, 8000))
        self.at, self.number = 0.0, 0
        self.open, self.started, self.over = set(), set(), set()

    def take(self, event):
        before = self.state
        self.state, decisions = step(before, event, POLICY)
        for decision in decisions:
            if isinstance(decision, Start):
                assert decision.job_id not in self.started, "started twice"
                self.started.add(decision.job_id)
            else:
                assert isinstance(decision, Refuse)
                self.over.add(decision.job_id)

    @rule(batch=st.lists(claims, min_size=1, max_size=4), wait=st.floats(0, 10))
    def submit(self, batch, wait):
        self.at += wait
        jobs = []
        for claim in batch:
            self.number += 1
            jobs.append(job(str(self.number), claim))
            self.open.add(str(self.number))
        self.take(Submitted(tuple(jobs), self.at))

    @precondition(lambda self: self.state.running)
    @rule(data=st.data(), wait=st.floats(0, 10))
    def finish(self, data, wait):
        self.at += wait
        job_id = data.draw(st.sampled_from(sorted(self.state.running)))
        self.over.add(job_id)
        self.take(Finished(job_id, self.at))

    @precondition(lambda self: self.state.waiting)
    @rule(data=st.data())
    def withdraw(self, data):
        job_id = data.draw(st.sampled_from(sorted(self.state.waiting)))
        self.over.add(job_id)
        self.take(Withdrawn((job_id,), self.at))

    @rule(foreign=st.integers(0, 5000))
    def outside_use_changes(self, foreign):
        cards = tuple(
            replace(c, foreign_mib=min(foreign, c.total_mib)) for c in self.state.capacity.cards
        )
        self.take(CardsChanged(cards, self.at))

    @invariant()
    def holds(self):
        check(self.state)

    @invariant()
    def nobody_is_lost(self):
        known = set(self.state.waiting) | set(self.state.running) | self.over
        assert known == self.open

    @invariant()
    def everyone_who_waits_is_told_why(self):
        decided = POLICY.decide(self.state, self.at)
        starts = {start.job_id for start in decided.starts}
        for job_id in self.state.waiting.keys() - starts:
            why = decided.reason(self.state.waiting[job_id].job)
            assert explain.sentence(why)

    def teardown(self):
        """With no outside use left, everybody who waits gets a turn."""
        if not hasattr(self, "state"):
            return
        self.outside_use_changes(0)
        while self.state.running:
            self.at += 1
            job_id = next(iter(self.state.running))
            self.over.add(job_id)
            self.take(Finished(job_id, self.at))
            check(self.state)
        assert not self.state.waiting


Bench.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestBench = Bench.TestCase


@given(
    kinds=st.lists(claims, min_size=1, max_size=3),
    order=st.lists(st.integers(0, 2), min_size=2, max_size=14),
    sizes=st.lists(st.integers(500, 4500), min_size=1, max_size=3),
    ended=st.integers(1, 3),
)
@settings(max_examples=400, deadline=None)
def test_jobs_that_ask_for_the_same_are_answered_as_if_each_were_asked(kinds, order, sizes, ended):
    cards = tuple(card(i, total_mib=s, headroom_mib=300) for i, s in enumerate(sizes))
    jobs = [job(f"{n}", kinds[kind % len(kinds)]) for n, kind in enumerate(order)]
    state, _ = step(State(Capacity(cards, 6, 9000)), Submitted(tuple(jobs), 0.0), POLICY)
    for job_id in list(state.running)[:ended]:
        state = replace(state, running={k: v for k, v in state.running.items() if k != job_id})
    decided = POLICY.decide(state, 7.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy._Refused, "as_before", lambda *_: None)
        each_asked = POLICY.decide(state, 7.0)
    assert decided.starts == each_asked.starts
    assert decided.waits == each_asked.waits
