"""Who is suspended, what that costs, and what a suspended job holds until it is back."""

import pytest
from builders import card, cpu_job, exclusive_job, running, shared_job, spilling_job
from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.events import CameBack, Finished, Stayed, Submitted, Suspended, Withdrawn
from nvinx.admission.job import Phase, Waiting
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.errors import IllegalEventError
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.reasons import Why
from nvinx.residency import Residency

SUSPEND = Preemptible(Mode.SUSPEND)
AT = 1000.0
COPY_S = 4000 * 2**20 / 6.25e9
CARD = card()
POLICY = LongestChainFirst()
URGENT = exclusive_job("urgent", priority=10, preempts=10, runtime_s=5.0)


def long_job(job_id="fold", since=10.0, vram_mib=4000, **claim):
    claim = {"preemptible": SUSPEND, "runtime_s": 5000.0, "ram_mib": 1000} | claim
    return running(exclusive_job(job_id, **claim), since, vram_mib=vram_mib, ram_mib=1000)


def state_of(*there, urgent=URGENT, cards=(CARD,), ram_mib=16000, ram_left_mib=None):
    capacity = Capacity(cards, 32, ram_mib, ram_left_mib=ram_left_mib)
    return State(capacity, Queue([Waiting(urgent, AT)]), {one.job.id: one for one in there})


def asked(*there, **more):
    return POLICY.decide(state_of(*there, **more), AT)


def taken(state, *events):
    """The state after the events, each of which leaves it sound."""
    decisions = []
    for event in events:
        state, decisions = step(state, event, POLICY)
        check(state)
    return state, decisions


def leaving():
    """A long job that was asked, as the urgent one came."""
    state = state_of(long_job())
    state = replace(state, waiting=Queue())
    return taken(state, Submitted((URGENT,), AT))[0]


def off_card(used_mib=None):
    return taken(leaving(), Suspended("fold", AT + 1, used_mib))[0]


def test_it_costs_two_copies_over_the_bus_however_long_it_has_run():
    (one,) = asked(long_job(since=-4000.0)).reclaims
    assert (one.lost_s, one.grace_s) == (pytest.approx(2 * COPY_S), pytest.approx(COPY_S))
    assert one.ram_mib == 4000


def test_it_is_rather_suspended_than_another_one_ended():
    small = {"runtime_s": 5000.0, "preemptible": Preemptible(Mode.REQUEUE)}
    ended = running(shared_job("ended", 1900, **small), 10.0)
    kept = running(shared_job("kept", 1900, **small | {"preemptible": SUSPEND}), 10.0)
    urgent = shared_job("urgent", 1900, priority=10, preempts=10)
    assert [one.job_id for one in asked(ended, kept, urgent=urgent).reclaims] == ["kept"]


@pytest.mark.parametrize(
    ("ram", "is_asked"),
    [
        ({"ram_mib": 5000}, True),
        ({"ram_mib": 4999}, False),
        ({"ram_mib": None}, True),
        ({"ram_left_mib": 4000}, True),
        ({"ram_left_mib": 3999}, False),
    ],
    ids=str,
)
def test_nobody_is_suspended_without_the_ram_for_it(ram, is_asked):
    decided = asked(long_job(), **ram)
    assert bool(decided.reclaims) is is_asked
    why = decided.waits["urgent"]
    assert why.why is (Why.CARD_ASKED_BACK if is_asked else Why.NO_RAM_TO_SUSPEND)
    if not is_asked:
        assert explain.sentence(why).startswith("suspending fold takes 4.19 GB of RAM, ")


def test_the_ram_of_the_urgent_job_itself_counts_as_well():
    urgent = replace(URGENT, claim=replace(URGENT.claim, ram_mib=1000))
    assert asked(long_job(), urgent=urgent, ram_mib=6000).reclaims
    assert not asked(long_job(), urgent=urgent, ram_mib=5999).reclaims


def test_what_is_on_several_cards_or_spills_is_not_suspended():
    gang = long_job(cards=CardCount(2, 2))
    gang = replace(gang, placement=replace(gang.placement, more=("gpu-1",), more_mib=(4000,)))
    assert asked(gang, cards=(CARD, card(1))).reclaims == ()
    spills = running(spilling_job("fold", preemptible=SUSPEND, runtime_s=5000.0), 10.0)
    assert asked(spills).reclaims == ()


def test_until_it_is_off_it_holds_its_card_and_the_ram_too():
    state = leaving()
    placement = state.running["fold"].placement
    assert placement.suspension.phase is Phase.LEAVING
    assert (placement.mib_on("gpu-0"), placement.ram_mib) == (4000, 5000)
    assert list(state.waiting) == ["urgent"]


def test_once_it_is_off_the_urgent_job_starts_and_its_ram_is_gone():
    state = off_card()
    assert state.running["urgent"].placement.card == "gpu-0"
    assert state.suspended["fold"].ram_mib == 5000
    assert list(state.waiting) == ["fold"]
    most, more = cpu_job("most", ram_mib=11000), cpu_job("more", ram_mib=11001)
    assert taken(state, Submitted((more,), AT + 3))[1] == ()
    assert [one.job_id for one in taken(state, Submitted((most,), AT + 3))[1]] == ["most"]


def test_it_comes_back_to_its_own_card_once_that_has_room_and_keeps_the_ram_until_it_is_back():
    state, decisions = taken(off_card(), Finished("urgent", AT + 10))
    assert [one.job_id for one in decisions] == ["fold"]
    back = state.running["fold"]
    assert (back.placement.suspension.phase, back.placement.ram_mib) == (Phase.COMING_BACK, 5000)
    assert back.since == AT + 10 - (AT + 1 - 10.0)  # as if it had never stood still
    assert state.suspended == {}
    state, _ = taken(state, CameBack("fold", AT + 11))
    placement = state.running["fold"].placement
    assert (placement.suspension, placement.ram_mib) == (None, 1000)


def test_another_card_will_not_do():
    state = leaving()
    state = replace(state, capacity=replace(state.capacity, cards=(CARD, card(1))))
    held = exclusive_job("held", runtime_s=10.0)
    state = replace(state, running={**state.running, "x": running(held, AT, card="gpu-1")})
    state, _ = taken(state, Suspended("fold", AT + 1))
    state = replace(state, running={i: r for i, r in state.running.items() if i != "x"})
    assert POLICY.decide(state, AT + 2).starts == ()


def test_it_does_not_come_back_where_others_use_what_it_had():
    state, _ = taken(off_card(used_mib=3500), Withdrawn((), AT + 2))
    taken_by_others = card(foreign_mib=600)
    state = replace(state, capacity=replace(state.capacity, cards=(taken_by_others,)))
    state, decisions = taken(state, Finished("urgent", AT + 10))
    assert decisions == ()
    assert "fold" in state.suspended


def test_one_that_used_more_than_its_part_gets_the_whole_card_to_come_back_to():
    state = state_of(running(shared_job("fold", 1000, preemptible=SUSPEND), 10.0))
    state = replace(state, waiting=Queue())
    state, _ = taken(state, Submitted((URGENT,), AT), Suspended("fold", AT + 1, 1500))
    beside = shared_job("beside", 900)
    state, decisions = taken(state, Finished("urgent", AT + 3), Submitted((beside,), AT + 4))
    assert decisions == ()
    claim = state.running["fold"].job.claim
    assert (claim.residency, claim.vram_mib) == (Residency.GPU_EXCLUSIVE, 1500)


def test_it_is_not_asked_again_on_its_way_back():
    state, _ = taken(off_card(), Finished("urgent", AT + 10))
    again = replace(URGENT, id="again", name="again")
    _, decisions = taken(state, Submitted((again,), AT + 10_000))
    assert decisions == ()


def test_one_that_could_not_be_suspended_keeps_its_card_and_is_not_asked_again():
    state, decisions = taken(leaving(), Stayed("fold", AT + 1))
    fold = state.running["fold"]
    assert (fold.placement.suspension, fold.placement.given_back) == (None, None)
    assert fold.placement.ram_mib == 1000
    assert decisions == ()
    assert POLICY.decide(state, AT + 100).reclaims == ()


def test_one_that_ends_while_it_is_suspended_leaves_nothing():
    state, _ = taken(off_card(), Finished("fold", AT + 2))
    assert (state.suspended, len(state.waiting)) == ({}, 0)


def test_what_was_never_asked_does_not_leave_and_who_waits_does_not_end():
    state = state_of(long_job())
    for event in (Suspended("fold", AT), Suspended("urgent", AT), Finished("urgent", AT)):
        with pytest.raises(IllegalEventError):
            step(state, event, POLICY)


@pytest.mark.parametrize(("ram_mib", "starts"), [(11000, ["more"]), (11001, [])])
def test_nobody_else_takes_its_ram_in_the_round_in_which_it_is_asked(ram_mib, starts):
    queue = Queue([Waiting(URGENT, AT), Waiting(cpu_job("more", ram_mib=ram_mib), AT)])
    decided = POLICY.decide(replace(state_of(long_job()), waiting=queue), AT)
    assert [one.job_id for one in decided.reclaims] == ["fold"]
    assert [one.job_id for one in decided.starts] == starts


def test_one_that_is_suspended_is_not_withdrawn():
    with pytest.raises(IllegalEventError):
        step(off_card(), Withdrawn(("fold",), AT + 2), POLICY)
