"""Each failure for lack of memory leads one step further, and no step is tried twice."""

from builders import card, exclusive_claim, shared_claim
from hypothesis import given
from hypothesis import strategies as st

from nvinx.admission.job import Job, Waiting
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.retry import RetryStep, next_attempt
from nvinx.admission.state import State
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.reasons import Why

CAPACITY = Capacity((card(total_mib=4096, headroom_mib=96),), 4)
SHARED = shared_claim(900, ram_mib=8000)


def climb(claim, peak=None):
    tried = []
    while (found := next_attempt(claim, tried, CAPACITY, peak)) is not None:
        step, claim = found
        tried.append(step)
        yield step, claim


def test_a_shared_job_gets_more_room_then_the_whole_card():
    steps = list(climb(SHARED))
    assert [step for step, _ in steps] == [RetryStep.MORE_ROOM, RetryStep.WHOLE_CARD]
    assert steps[0][1].vram_mib == 1350
    assert steps[1][1].residency is Residency.GPU_EXCLUSIVE


def test_a_whole_card_that_a_job_did_not_ask_for_is_told_as_what_it_ran_out_for():
    *_, (_, whole) = climb(SHARED)
    state = State(CAPACITY, Queue([Waiting(Job("a", "a", whole), 0.0)]))

    [start] = LongestChainFirst().decide(state, 0.0).starts

    assert start.placement.why is Why.RAN_OUT


def test_a_peak_that_was_seen_is_believed():
    (_, more), (step, claim), *_ = climb(SHARED, peak=2000)
    assert (more.vram_mib, step, claim.vram_mib) == (1350, RetryStep.MEASURED_PEAK, 2200)


def test_a_peak_below_what_it_had_says_nothing():
    assert RetryStep.MEASURED_PEAK not in [step for step, _ in climb(SHARED, peak=800)]


def test_more_room_is_never_more_than_the_card_can_share():
    big = shared_claim(3900)
    assert next(climb(big))[1].vram_mib == 4000


def test_spilling_and_the_cpu_are_for_those_that_may():
    able = exclusive_claim(ram_mib=9, ram_overflow=True, cpu_fallback=True)
    assert [step for step, _ in climb(able)] == [RetryStep.SPILL, RetryStep.CPU]
    assert list(climb(exclusive_claim())) == []


def test_what_the_rule_asks_for_at_this_attempt_goes_before_half_as_much_again():
    step, claim = next_attempt(SHARED, [], CAPACITY, asked=shared_claim(1800))
    assert (step, claim.vram_mib) == (RetryStep.MORE_ROOM, 1800)


def test_a_rule_that_asks_for_less_now_keeps_what_it_had():
    assert next_attempt(SHARED, [], CAPACITY, asked=shared_claim(450))[1].vram_mib == 900


def test_a_job_that_had_the_card_goes_elsewhere_if_it_may():
    able = shared_claim(900, ram_mib=9, cpu_fallback=True)
    assert next_attempt(able, [], CAPACITY, had_card=True)[0] is RetryStep.CPU
    spills = shared_claim(900, ram_mib=9, ram_overflow=True)
    assert next_attempt(spills, [], CAPACITY, had_card=True)[0] is RetryStep.SPILL


def test_one_that_may_run_nowhere_else_gets_at_most_the_card_once_more():
    step, claim = next_attempt(SHARED, [], CAPACITY, had_card=True)
    assert step is RetryStep.WHOLE_CARD
    assert next_attempt(claim, [step], CAPACITY, had_card=True) is None


@given(
    st.integers(1, 4000),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 9000)),
)
def test_the_ladder_ends_and_goes_up_only(vram, spill, cpu, peak):
    claim = shared_claim(vram, ram_mib=9, ram_overflow=spill, cpu_fallback=cpu)
    steps = [step for step, _ in climb(claim, peak)]
    order = list(RetryStep)
    assert steps == sorted(set(steps), key=order.index)
    assert RetryStep.WHOLE_CARD in steps
