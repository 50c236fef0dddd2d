"""A job of a range of VRAM has the most while nobody waits, and gives back what a waiting one lacks."""

from builders import card, exclusive_job, job, shared_claim, shared_job
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.budgets import Rebudget
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Finished, Submitted, Withdrawn
from nvinx.admission.measuring import Measuring
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, check
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.reasons import Why

CARD = card()  # of 4000 MiB
POLICY = LongestChainFirst()


def elastic_job(job_id="server", least=1000, most=4000, **claim):
    return job(job_id, shared_claim(least, elastic_mib=most - least, **claim))


class Bench:
    """A bench whose jobs shrink when `keep` says so, and not before."""

    def __init__(self, *cards):
        self.state = State(Capacity(cards or (CARD,), 32))
        self.at, self.round = 0.0, None

    def take(self, event):
        self.state, _ = apply(self.state, event, POLICY)
        self.look()

    def look(self):
        self.state, self.round = admit(self.state, self.at, POLICY)
        check(self.state)

    def submit(self, *jobs):
        self.take(Submitted(jobs, self.at))

    def finish(self, job_id):
        self.take(Finished(job_id, self.at))

    def withdraw(self, job_id):
        self.take(Withdrawn((job_id,), self.at))

    def keep(self, job_id):
        one = self.state.running[job_id]
        kept = replace(one, placement=replace(one.placement, vram_mib=one.placement.budget.mib))
        self.state = replace(self.state, running={**self.state.running, job_id: kept})
        self.look()

    def budget(self, job_id="server"):
        return self.state.running[job_id].placement.budget.mib

    def held(self, job_id="server"):
        return self.state.running[job_id].placement.vram_mib

    def wait(self, job_id):
        return self.round.waits[job_id]


def test_alone_it_has_the_most():
    bench = Bench()
    bench.submit(elastic_job())
    assert (bench.budget(), bench.held()) == (4000, 4000)


def test_it_has_what_is_free_and_no_more():
    bench = Bench()
    bench.submit(shared_job("small", 900))
    bench.submit(elastic_job())
    assert bench.budget() == 3100


def test_it_starts_as_soon_as_its_least_fits():
    bench = Bench()
    bench.submit(shared_job("large", 3000))
    bench.submit(elastic_job())
    assert bench.budget() == 1000


def test_while_others_wait_each_has_its_least():
    bench = Bench()
    bench.submit(*(elastic_job(str(i)) for i in range(5)))
    assert [bench.budget(str(i)) for i in range(4)] == [1000] * 4


def test_it_is_asked_for_what_the_waiting_job_lacks_and_no_more():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    assert bench.round.budgets == (Rebudget("server", 3100, "small"),)
    assert (bench.budget(), bench.held()) == (3100, 4000)
    assert bench.wait("small").why is Why.ROOM_ASKED
    assert (
        explain.sentence(bench.wait("small"))
        == "needs 0.94 GB of VRAM, 0.00 GB free; server is asked to use less"
    )


def test_the_waiting_job_starts_once_it_has_shrunk_and_not_before():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    bench.look()
    assert "small" in bench.state.waiting
    assert bench.round.budgets == ()
    bench.keep("server")
    assert "small" in bench.state.running


def test_it_grows_again_when_there_is_room_and_nobody_waits():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    bench.keep("server")
    bench.finish("small")
    assert (bench.budget(), bench.held()) == (4000, 4000)


def test_it_need_not_shrink_for_one_that_no_longer_waits():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    bench.withdraw("small")
    assert (bench.budget(), bench.held()) == (4000, 4000)


def test_it_is_asked_for_more_when_the_next_one_lacks_more():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    bench.withdraw("small")
    bench.submit(shared_job("small", 900))
    bench.submit(shared_job("urgent", 2000, priority=9))
    assert bench.budget() == 2000
    assert bench.round.budgets == (Rebudget("server", 2000, "urgent"),)


def test_several_are_asked_where_one_cannot_give_enough():
    bench = Bench()
    bench.submit(elastic_job("one", 1000, 2000), elastic_job("two", 500, 2000))
    bench.submit(shared_job("large", 2400))
    assert {one.job_id: one.mib for one in bench.round.budgets} == {"two": 500, "one": 1100}


def test_nobody_is_asked_where_that_would_not_do():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("large", 3500))
    assert bench.round.budgets == ()
    assert bench.wait("large").why is Why.NOT_ENOUGH_VRAM
    bench.submit(exclusive_job("whole", priority=9))
    assert bench.round.budgets == ()


def test_a_plain_size_is_never_asked_nor_grown():
    bench = Bench()
    bench.submit(shared_job("plain", 3000))
    bench.submit(shared_job("large", 3000))
    assert bench.round.budgets == ()
    assert bench.state.running["plain"].placement.budget is None


def test_what_is_given_back_is_kept_for_the_one_that_asked():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("first", 2000))
    bench.at = 1.0
    bench.submit(*(shared_job(f"later {i}", 500) for i in range(3)))
    bench.keep("server")
    assert "first" in bench.state.running
    assert all(f"later {i}" in bench.state.waiting for i in range(2))


def test_one_that_does_not_shrink_keeps_the_others_waiting_and_is_named():
    bench = Bench()
    bench.submit(elastic_job())
    bench.submit(shared_job("small", 900))
    bench.at = 60.0
    bench.look()
    assert "server" in bench.state.running
    assert bench.wait("small").why is Why.ROOM_ASKED
    assert bench.wait("small").behind == ("server",)
    assert bench.round.budgets == ()
    bench.keep("server")
    assert "small" in bench.state.running


def test_the_other_is_asked_where_one_does_not_shrink():
    bench = Bench(card(total_mib=8000))
    bench.submit(elastic_job("deaf"))
    bench.submit(elastic_job("other", 1000, 4000))
    bench.submit(shared_job("small", 900))
    asked = {one.job_id for one in bench.round.budgets}
    bench.at = 60.0
    bench.look()
    assert asked | {one.job_id for one in bench.round.budgets} == {"deaf", "other"}


def test_that_card_is_chosen_on_which_least_is_asked_for():
    bench = Bench(card(0), card(1))
    bench.submit(elastic_job("one"))
    bench.submit(elastic_job("two", 1000, 3500))
    bench.submit(shared_job("small", 900))
    assert bench.round.budgets == (Rebudget("two", 3100, "small"),)


def test_it_is_never_left_alone_to_be_measured():
    """Whatever is not known of it: who could not join it would wait until it ends."""
    measured = Measuring(AlwaysAlone(), Queue(), 0.0)
    assert measured.pays(shared_claim(1000))
    assert not measured.pays(shared_claim(1000, elastic_mib=1000))


class AlwaysAlone(Estimates):
    def wants_alone(self, _claim):
        return True


def test_a_gang_has_nobody_shrink():
    bench = Bench(card(0), card(1))
    bench.submit(elastic_job("one"), elastic_job("two"))
    bench.submit(job("gang", shared_claim(900).with_cards(2)))
    assert bench.round.budgets == ()


sizes = st.integers(1, 4000)


class Cards(RuleBasedStateMachine):
    """Jobs of all kinds come, shrink when they like, and go."""

    @initialize(totals=st.lists(st.integers(2000, 4500), min_size=1, max_size=2))
    def begin(self, totals):
        self.bench = Bench(*(card(i, total_mib=mib) for i, mib in enumerate(totals)))
        self.number = 0

    @rule(one=sizes, other=sizes, wait=st.floats(0, 40), is_elastic=st.booleans())
    def submit(self, one, other, wait, is_elastic):
        self.bench.at += wait
        self.number += 1
        least, most = sorted((one, other))
        self.bench.submit(elastic_job(str(self.number), least, most if is_elastic else least))

    @precondition(lambda self: self.bench.state.running)
    @rule(data=st.data())
    def finish(self, data):
        self.bench.finish(data.draw(st.sampled_from(sorted(self.bench.state.running))))

    @precondition(lambda self: self.bench.state.waiting)
    @rule(data=st.data())
    def withdraw(self, data):
        self.bench.withdraw(data.draw(st.sampled_from(sorted(self.bench.state.waiting))))

    @precondition(lambda self: self.shrinking())
    @rule(data=st.data())
    def shrink(self, data):
        self.bench.keep(data.draw(st.sampled_from(self.shrinking())))

    def shrinking(self):
        running = self.bench.state.running.items()
        return sorted(job_id for job_id, one in running if one.placement.is_shrinking)

    @invariant()
    def no_card_is_overbooked(self):
        check(self.bench.state)

    @invariant()
    def each_has_what_it_asked_for(self):
        for one in self.bench.state.running.values():
            budget, claim = one.placement.budget, one.job.claim
            if budget is not None:
                assert claim.vram_mib <= budget.mib <= claim.most_mib
                assert budget.mib <= one.placement.vram_mib

    def teardown(self):
        """Nobody starves: once all shrink and end in turn, everybody has run."""
        if not hasattr(self, "bench"):
            return
        while self.bench.state.waiting or self.bench.state.running:
            self.bench.at += 1.0
            while shrinking := self.shrinking():
                self.bench.keep(shrinking[0])
            before = len(self.bench.state.running), len(self.bench.state.waiting)
            if self.bench.state.running:
                self.bench.finish(next(iter(self.bench.state.running)))
            after = len(self.bench.state.running), len(self.bench.state.waiting)
            if before == after == (0, len(self.bench.state.waiting)):
                break
        assert all(
            POLICY.impossible(w.job, self.bench.state.capacity)
            for w in self.bench.state.waiting.values()
        )


TestCards = Cards.TestCase
TestCards.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
