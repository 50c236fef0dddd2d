"""An urgent job of several cards asks on those it needs: least is lost in all, or nobody asked."""

from itertools import combinations

import pytest
from builders import card, exclusive_claim, exclusive_job, job, running, shared_claim, shared_job
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.events import Finished
from nvinx.admission.job import GivenBack, Waiting
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, check
from nvinx.admission.victims import loss_s
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.reasons import Why

REQUEUE, SUSPEND = Preemptible(Mode.REQUEUE), Preemptible(Mode.SUSPEND)
SIGNAL = Preemptible(Mode.SIGNAL, "USR1", 30.0)
AT, RAM_MIB = 100.0, 20000
CARDS = (card(), card(1), card(2))
POLICY = LongestChainFirst()
WHOLE = {"priority": 10, "preempts": 10, "cards": CardCount(2, 2)}
GANG = exclusive_job("gang", runtime_s=5.0, **WHOLE)


def bench(*there, urgent=GANG, cards=CARDS, queue=(), ram_mib=RAM_MIB):
    waiting = Queue([Waiting(urgent, AT), *queue])
    return State(Capacity(cards, 32, ram_mib), waiting, {one.job.id: one for one in there})


def asked(*there, at=AT, **more):
    return POLICY.decide(bench(*there, **more), at)


def victims(*there, **more):
    return sorted(one.job_id for one in asked(*there, **more).reclaims)


def on(index, name, since=90.0, **claim):
    """A job that has a card alone."""
    claim = {"preemptible": REQUEUE, "runtime_s": 1000.0} | claim
    return running(exclusive_job(name, **claim), since, vram_mib=4000, card=f"gpu-{index}")


def on_both(name, since=90.0, **claim):
    """A job that has the first two cards alone."""
    one = on(0, name, since, cards=CardCount(2, 2), **claim)
    return replace(one, placement=replace(one.placement, more=("gpu-1",), more_mib=(4000,)))


def leaving(one, to="gang", by=AT):
    return replace(one, placement=replace(one.placement, given_back=GivenBack(to, by)))


def test_it_asks_on_the_cards_where_the_least_is_lost():
    there = on(0, "old", 10.0), on(1, "young", 95.0), on(2, "younger", 97.0)
    assert victims(*there) == ["young", "younger"]


def test_a_card_that_is_free_takes_nobody():
    decided = asked(on(0, "old", 10.0), on(1, "young", 95.0))
    assert [one.job_id for one in decided.reclaims] == ["young"]
    reason = decided.waits["gang"]
    assert reason.why is Why.CARD_ASKED_BACK
    assert explain.sentence(reason) == "needs 2 cards at once, 1 free; asked for theirs: young"


def test_nobody_is_asked_where_it_would_lack_a_card_all_the_same():
    firm = on(0, "firm", preemptible=None), on(1, "firm too", preemptible=None)
    decided = asked(*firm, on(2, "young", 99.0))
    assert decided.reclaims == ()
    assert decided.waits["gang"].why is Why.CARDS_NOT_FREE


def test_nobody_is_asked_where_more_is_lost_than_waiting_saved():
    there = on(0, "a", 40.0, runtime_s=70.0), on(1, "b", 40.0, runtime_s=70.0)
    decided = asked(*there, cards=CARDS[:2])  # 10 s to go, 120 s of work
    assert decided.reclaims == ()
    assert decided.waits["gang"].why is Why.PREEMPTION_LOSES_MORE


def test_one_that_holds_both_cards_is_lost_once():
    assert victims(on_both("gang of long", 90.0), on(2, "single", 85.0)) == ["gang of long"]
    assert victims(on_both("gang of long", 50.0), cards=CARDS[:2]) == ["gang of long"]


def test_one_that_holds_two_cards_is_not_asked_for_a_part():
    there = on_both("gang of long", 90.0, preemptible=None), on(2, "single", 85.0)
    assert victims(*there) == []


def test_it_may_be_asked_for_as_many_as_it_needs_at_least():
    range_of = replace(GANG, claim=replace(GANG.claim, cards=CardCount(2, 3)))
    there = on(0, "a", 97.0), on(1, "b", 98.0), on(2, "c", 99.0)
    assert victims(*there, urgent=range_of) == ["b", "c"]


def test_the_ram_for_those_that_are_suspended_is_counted_together():
    there = [on(k, f"s{k}", 10.0, preemptible=SUSPEND) for k in range(2)]
    requeued = on(2, "requeued", 50.0)
    assert victims(*there, requeued, ram_mib=8000) == ["s0", "s1"]
    assert victims(*there, requeued, ram_mib=4000) == ["requeued", "s0"]
    decided = asked(*there, cards=CARDS[:2], ram_mib=4000)
    assert decided.reclaims == ()
    assert decided.waits["gang"].why is Why.NO_RAM_TO_SUSPEND


def test_where_ram_is_short_another_of_the_same_card_is_lost_instead():
    def half(index, name, **claim):
        held = shared_job(name, 2000, runtime_s=1000.0, **claim)
        return running(held, 50.0, card=f"gpu-{index}")

    there = [half(k, f"s{k}", preemptible=SUSPEND) for k in range(2)]
    there += [half(k, f"r{k}", preemptible=REQUEUE) for k in range(2)]
    urgent = shared_job("gang", 2000, **WHOLE)
    assert victims(*there, urgent=urgent, cards=CARDS[:2], ram_mib=4000) == ["s0", "s1"]
    assert victims(*there, urgent=urgent, cards=CARDS[:2], ram_mib=2000) in (
        ["r0", "s1"],
        ["r1", "s0"],
    )


def test_a_card_that_was_given_back_is_kept_until_the_other_is():
    state = bench(on(0, "a"), leaving(on(1, "b"), by=AT + 30), on(2, "firm", preemptible=None))
    small = Waiting(shared_job("small", 900, runtime_s=1.0), AT - 1)
    state = replace(state, waiting=state.waiting.plus([small]))
    state, _ = admit(state, AT, POLICY)
    state, _ = apply(state, Finished("a", AT + 1), POLICY)
    _, decided = admit(state, AT + 1, POLICY)
    assert decided.starts == ()
    assert decided.reclaims == ()
    reason = decided.waits["gang"]
    assert reason.why is Why.CARD_GIVEN_BACK
    assert explain.sentence(reason) == "needs 2 cards at once, 1 free; giving up theirs: b"


def test_who_is_still_needed_is_asked_once_another_leaves_for_the_gang():
    nearly_done = on(0, "nearly done", 20.0, runtime_s=90.0)  # 80 s of work, 10 s to go
    there = leaving(on(1, "b"), by=AT + 1), on(2, "firm", preemptible=None)
    assert victims(nearly_done, *there) == ["nearly done"]
    of_another = leaving(on(1, "b", runtime_s=10.0), "another", AT + 1)
    assert victims(nearly_done, of_another, there[1]) == []


HOW = st.sampled_from([None, REQUEUE, REQUEUE, SIGNAL, SUSPEND])


@st.composite
def benches(draw):
    """Cards with jobs on them, of which some hold several, and an urgent gang."""
    number = draw(st.integers(2, 4))
    left, there = dict.fromkeys(range(number), 4000), []
    for n in range(draw(st.integers(1, 6))):
        wide = n < 3 and draw(st.booleans())
        held = draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=2, unique=True))
        held = held if wide else held[:1]
        room = min(left[k] for k in held)
        if room < 100:
            continue
        mib = draw(st.integers(100, room))
        alone = draw(st.booleans()) and room == 4000
        claim = exclusive_claim() if alone else shared_claim(mib)
        claim = replace(claim, preemptible=draw(HOW), cards=CardCount(len(held), len(held)))
        mib = 4000 if alone else mib
        for k in held:
            left[k] -= mib
        first, *more = (f"gpu-{k}" for k in held)
        placed = {"card": first, "vram_mib": mib}
        placed |= {"more": tuple(more), "more_mib": (mib,) * len(more)}
        there.append(running(job(f"r{n}", claim), draw(st.floats(0, AT - 1)), **placed))
    counts = st.integers(1, number)
    least = draw(counts)
    size = shared_claim(draw(st.integers(100, 4000))) if draw(st.booleans()) else exclusive_claim()
    claim = replace(
        size,
        priority=10,
        preempts=10,
        cards=CardCount(least, draw(st.integers(2, 4)) if least == 1 else least),
    )
    ram_mib = draw(st.sampled_from([0, 3000, 6000, 20000]))
    cards = tuple(card(k) for k in range(number))
    return bench(*there, urgent=job("gang", claim), cards=cards, ram_mib=ram_mib)


def least_lost(state):
    """By looking at everybody: what has to be lost, at least; None where nothing would help."""
    claim = state.waiting["gang"].job.claim
    there = list(state.running.values())
    willing = [one for one in there if one.job.claim.preemptible and can_leave(one)]
    found = []
    for number in range(len(willing) + 1):
        for some in combinations(willing, number):
            left = [one for one in there if one not in some]
            ram_mib = sum(
                one.placement.vram_mib for one in some if one.job.claim.preemptible is SUSPEND
            )
            able = sum(holds(c, claim, left) for c in state.capacity.cards)
            if able >= claim.cards.least and ram_mib <= state.capacity.ram_mib:
                found.append(sum(loss_s(one, AT) for one in some))
    return min(found, default=None)


def can_leave(one):
    return one.job.claim.preemptible is not SUSPEND or len(one.placement.cards) == 1


def holds(card, claim, there):
    on_it = [one for one in there if card.id in one.placement.cards]
    if any(one.placement.alone for one in on_it):
        return False
    if not claim.residency.shares_card:
        return not on_it
    return claim.vram_mib + sum(one.placement.mib_on(card.id) for one in on_it) <= 4000


@settings(max_examples=150)
@given(benches())
def test_the_least_is_lost_of_all_ways_and_then_the_whole_gang_starts(state):
    after, decided = admit(state, AT, POLICY)
    check(after)
    lost = least_lost(state)
    if lost in (None, 0):
        assert decided.reclaims == ()
        assert (lost == 0) is any(start.job_id == "gang" for start in decided.starts)
        return
    assert sum(one.lost_s for one in decided.reclaims) == pytest.approx(lost)
    assert admit(after, AT, POLICY)[1].reclaims == ()
    for one in decided.reclaims:
        assert state.running[one.job_id].job.claim.preemptible is not None
        after, _ = apply(after, Finished(one.job_id, AT + 1), POLICY)
    _, then = admit(after, AT + 1, POLICY)
    assert [start.job_id for start in then.starts] == ["gang"]
