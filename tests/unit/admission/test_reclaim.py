"""Who gives a card back to an urgent job: only who agreed, with the least loss, and not too often."""

import math

import pytest
from builders import card, exclusive_claim, exclusive_job, job, running, shared_claim, shared_job
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.events import Reclaim
from nvinx.admission.job import GivenBack, Waiting
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import admit, check
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.jobs.preemption import MOST_TIMES, Mode, Preempted, Preemptible
from nvinx.reasons import Why

REQUEUE = Preemptible(Mode.REQUEUE)
SIGNAL = Preemptible(Mode.SIGNAL, "USR1", 30.0)
AT = 100.0
AGED = {"runtime_s": 10.0, "preemptible": REQUEUE}  # where it has waited for a while
CARD = card()
URGENT = exclusive_job("urgent", priority=10, preempts=10, runtime_s=5.0)


def asked(*there, urgent=URGENT, at=AT, cards=(CARD,), queue=()):
    """The round in which the urgent job waits for these."""
    waiting = Queue([Waiting(urgent, at), *queue])
    state = State(Capacity(cards, 32), waiting, {one.job.id: one for one in there})
    return LongestChainFirst().decide(state, at)


def victims(*there, **more):
    return [one.job_id for one in asked(*there, **more).reclaims]


def long_job(job_id="fold", since=90.0, **claim):
    claim = {"preemptible": REQUEUE, "runtime_s": 1000.0} | claim
    return running(exclusive_job(job_id, **claim), since, vram_mib=4000)


def small_job(job_id, since=90.0, vram_mib=1900, **claim):
    claim = {"preemptible": REQUEUE, "runtime_s": 1000.0} | claim
    return running(shared_job(job_id, vram_mib, **claim), since)


def test_a_job_that_agreed_is_asked_and_the_urgent_one_waits_for_it():
    decided = asked(long_job())
    assert decided.reclaims == (Reclaim("fold", "urgent", 10.0, 0.0),)
    assert decided.waits["urgent"].why is Why.CARD_ASKED_BACK
    assert explain.sentence(decided.waits["urgent"]) == "fold is asked to give up the card"


@pytest.mark.parametrize(
    "urgent",
    [
        replace(URGENT, claim=replace(URGENT.claim, preempts=None)),
        replace(URGENT, claim=replace(URGENT.claim, preempts=11)),
        replace(URGENT, claim=replace(URGENT.claim, priority=9)),
    ],
    ids=["asks nobody", "too small a margin", "too low a priority"],
)
def test_who_may_not_ask_waits_as_before(urgent):
    decided = asked(long_job(), urgent=urgent)
    assert decided.reclaims == ()
    assert decided.waits["urgent"].why is Why.CARD_HELD_EXCLUSIVELY


def test_nobody_is_asked_who_did_not_agree():
    assert victims(long_job(preemptible=None)) == []


def test_nobody_is_asked_where_more_work_is_lost_than_waiting_saved():
    nearly_done = long_job(since=-850.0)  # 950 s of work, 50 s to go
    decided = asked(nearly_done)
    assert decided.reclaims == ()
    reason = decided.waits["urgent"]
    assert reason.why is Why.PREEMPTION_LOSES_MORE
    assert explain.sentence(reason).startswith("preempting fold would lose 16 min 40 s of work")


def test_what_can_save_its_work_loses_little():
    (one,) = asked(long_job(since=-700.0, preemptible=SIGNAL)).reclaims
    assert one.lost_s == 30.0


def test_of_several_those_go_with_whom_the_least_is_lost():
    there = small_job("old", 0.0), small_job("young", 95.0)
    urgent = shared_job("urgent", 1900, priority=10, preempts=10)
    assert victims(*there, urgent=urgent) == ["young"]


def test_both_go_where_the_card_is_wanted_alone():
    there = small_job("old", 80.0), small_job("young", 95.0)
    assert victims(*there) == ["young", "old"]
    assert victims(there[0], small_job("stays", 95.0, preemptible=None)) == []


def test_the_card_with_the_least_loss_is_taken():
    there = (
        long_job("a", 0.0),
        replace(long_job("b", 95.0), placement=replace(long_job("b").placement, card="gpu-1")),
    )
    assert victims(*there, cards=(CARD, card(1))) == ["b"]


def test_whoever_gives_back_already_is_enough():
    leaving = long_job()
    leaving = replace(leaving, placement=replace(leaving.placement, given_back=GivenBack("x", AT)))
    decided = asked(leaving)
    assert decided.reclaims == ()
    assert decided.waits["urgent"].why is Why.CARD_GIVEN_BACK
    later = asked(leaving, at=AT + 60.0)
    assert later.waits["urgent"].why is Why.CARD_HELD_EXCLUSIVELY


@pytest.mark.parametrize(
    ("before", "is_asked"),
    [
        (Preempted(1, AT - 1001.0, 5.0), True),
        (Preempted(1, AT - 999.0, 5.0), False),
        (Preempted(MOST_TIMES, AT - 10_000.0, 5.0), False),
    ],
    ids=["long ago", "within its own length", "too often"],
)
def test_nobody_is_asked_twice_within_his_length_nor_too_often(before, is_asked):
    one = long_job()
    one = replace(one, job=replace(one.job, preempted=before))
    assert victims(one) == (["fold"] if is_asked else [])


def test_nobody_else_takes_what_is_given_back():
    there = small_job("old", 0.0, preemptible=None), small_job("young", 95.0)
    urgent = shared_job("urgent", 2100, priority=10, preempts=10)
    small = Waiting(shared_job("small", 200, runtime_s=1.0), 0.0)
    decided = asked(*there, urgent=urgent, queue=[small])
    assert [one.job_id for one in decided.reclaims] == ["young"]
    assert decided.starts == ()
    assert decided.waits["small"].why in (Why.BEHIND_OLDER_JOB, Why.NOT_ENOUGH_VRAM)


def test_jobs_that_agreed_give_way_in_the_queue_too_but_not_for_ever():
    aged = Waiting(exclusive_job("aged", **AGED), AT - 60.0)
    assert victims(long_job(), queue=[aged]) == ["fold"]
    of_same_run = Waiting(exclusive_job("of same run", preempts=10, **AGED), AT - 60.0)
    assert victims(long_job(), queue=[of_same_run]) == ["fold"]
    as_important = Waiting(exclusive_job("as important", priority=1, **AGED), AT - 60.0)
    assert victims(long_job(), queue=[as_important]) == []
    firm = Waiting(exclusive_job("firm", runtime_s=10.0), AT - 60.0)
    assert victims(long_job(), queue=[firm]) == []
    worn_out = replace(aged, since=AT - 201.0)
    assert victims(long_job(), queue=[worn_out]) == []


@st.composite
def residents(draw):
    number, found, left = draw(st.integers(0, 10)), [], 4000
    for n in range(number):
        mib = draw(st.integers(1, 1500))
        if mib > left:
            break
        left -= mib
        claim = shared_claim(
            mib,
            priority=draw(st.integers(0, 12)),
            preemptible=draw(st.sampled_from([None, REQUEUE, SIGNAL])),
            runtime_s=draw(st.none() | st.floats(1, 1000)),
        )
        times = draw(st.integers(0, MOST_TIMES))
        before = Preempted(times, draw(st.floats(0, AT)), 5.0) if times else None
        one = running(job(f"r{n}", claim), draw(st.floats(0, AT)))
        found.append(replace(one, job=replace(one.job, preempted=before)))
    return found


@given(residents(), st.integers(1, 4000), st.booleans(), st.integers(1, 12))
def test_whoever_is_asked_agreed_and_leaves_enough_room(there, mib, alone, margin):
    claim = exclusive_claim() if alone else shared_claim(mib)
    claim = replace(claim, priority=12, preempts=margin)
    state = State(
        Capacity((CARD,), 32),
        Queue([Waiting(job("urgent", claim), AT)]),
        {one.job.id: one for one in there},
    )
    after, decided = admit(state, AT, LongestChainFirst())
    check(after)
    asked_of = {one.job_id for one in decided.reclaims}
    for one in there:
        if one.job.id in asked_of:
            assert one.job.claim.preemptible is not None
            assert 12 - one.job.claim.priority >= margin
            assert one.job.preempted is None or one.job.preempted.times < MOST_TIMES
            assert after.running[one.job.id].placement.given_back.to == "urgent"
    if asked_of:
        left = [one for one in there if one.job.id not in asked_of]
        used = sum(one.placement.vram_mib for one in left)
        assert not left if alone else used + mib <= 4000
        ends = [after_end(one) for one in there]
        assert sum(one.lost_s for one in decided.reclaims) < max(ends) - AT
        again = admit(after, AT, LongestChainFirst())[1]
        assert again.reclaims == ()
        assert again.waits["urgent"].why is Why.CARD_GIVEN_BACK


def after_end(one):
    runtime_s = one.job.claim.runtime_s
    if runtime_s is None:
        return math.inf
    end_s = one.since + runtime_s
    return end_s if end_s > AT else AT + 0.1 * (AT - one.since)
