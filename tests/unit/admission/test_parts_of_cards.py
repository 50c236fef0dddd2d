"""Jobs that ask for a part of a card: as many as it has parts fit, whatever its size."""

import pytest
from builders import card, exclusive_job, part_claim, part_job, past_run, shared_job
from hypothesis import given
from hypothesis import strategies as st

from nvinx.admission import adjust, explain
from nvinx.admission.events import Finished, Start, Submitted
from nvinx.admission.policy import LongestChainFirst, options
from nvinx.admission.retry import RetryStep, next_attempt
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.card_share import CardShare
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Why

POLICY = LongestChainFirst()


class Bench:
    def __init__(self, *cards):
        self.state = State(Capacity(cards, 64, 64_000))

    def take(self, event):
        self.state, decisions = step(self.state, event, POLICY)
        check(self.state)
        return [d.job_id for d in decisions if isinstance(d, Start)]

    def submit(self, *jobs):
        return self.take(Submitted(jobs, 0.0))

    def held_mib(self, name):
        return self.state.running[name].placement.vram_mib

    def why(self, name):
        return POLICY.decide(self.state, 0.0).reason(self.state.waiting[name].job)


@given(st.integers(2, 12), st.integers(1000, 200_000), st.integers(0, 299))
def test_as_many_as_a_card_has_parts_start_at_once_and_the_next_waits(fit, total, headroom):
    bench = Bench(card(total_mib=total, headroom_mib=headroom))
    jobs = [part_job(str(n), f"1/{fit}") for n in range(fit + 1)]
    assert len(bench.submit(*jobs)) == fit
    assert bench.why(str(fit)).why is Why.NOT_ENOUGH_VRAM
    assert bench.take(Finished("0", 1.0)) == [str(fit)]


def test_a_part_is_of_the_card_that_the_job_gets():
    bench = Bench(card(0, total_mib=4000), card(1, total_mib=24_000))
    assert len(bench.submit(*(part_job(str(n)) for n in range(6)))) == 6
    held = sorted((r.placement.card, r.placement.vram_mib) for r in bench.state.running.values())
    assert held == [("gpu-0", 1333)] * 3 + [("gpu-1", 8000)] * 3


def test_parts_and_sizes_add_up_in_the_mib_of_the_card():
    bench = Bench(card(total_mib=4000))
    started = bench.submit(part_job("half", "1/2"), shared_job("fits", 2000), shared_job("not", 1))
    assert started == ["half", "fits"]
    assert (bench.why("not").need, bench.why("not").have) == (1, 0)


def test_a_size_that_is_there_leaves_room_for_fewer_parts():
    bench = Bench(card(total_mib=4000))
    jobs = [part_job(str(n)) for n in range(3)]
    assert bench.submit(shared_job("there", 1000), *jobs) == ["there", "0", "1"]
    assert (bench.why("2").need, bench.why("2").have) == (1333, 334)


def test_programs_outside_take_from_what_is_free_and_not_from_a_part():
    bench = Bench(card(total_mib=4000, foreign_mib=1000))
    assert bench.submit(*(part_job(str(n)) for n in range(3))) == ["0", "1"]
    assert bench.held_mib("0") == 1333


def test_an_exclusive_job_waits_for_all_parts_and_parts_for_it():
    bench = Bench(card())
    assert bench.submit(part_job("a"), part_job("b")) == ["a", "b"]
    assert bench.submit(exclusive_job("whole")) == []
    assert bench.take(Finished("a", 1.0)) == []
    assert bench.take(Finished("b", 2.0)) == ["whole"]
    assert bench.submit(part_job("c")) == []


def test_a_part_fits_every_card_but_none_where_there_is_no_card():
    claim = part_claim("1/2")
    assert options(claim, Capacity((card(total_mib=100),))) == (Residency.GPU_SHARED,)
    assert options(claim, Capacity((card(total_mib=100, headroom_mib=100),))) == ()
    assert options(claim, Capacity()) == ()
    on_cpu = part_claim("1/2", cpu_fallback=True)
    assert options(on_cpu, Capacity()) == (Residency.CPU_ONLY,)


# out of memory


def climb(claim, asked=None, peak=None):
    tried, seen = [], []
    while (found := next_attempt(claim, tried, Capacity((card(),)), peak, asked=asked)) is not None:
        step, claim = found
        tried.append(step)
        seen.append((step, claim.share, claim.residency))
    return seen


def test_a_third_that_ran_out_gets_half_and_then_the_whole_card():
    assert climb(part_claim("1/3"), peak=1300) == [
        (RetryStep.MORE_ROOM, CardShare(1, 2), Residency.GPU_SHARED),
        (RetryStep.WHOLE_CARD, None, Residency.GPU_EXCLUSIVE),
    ]


@pytest.mark.parametrize(("now", "then"), [("1/10", "1/6"), ("1/4", "1/2"), ("30%", "1/2")])
def test_a_small_part_grows_by_half_at_least(now, then):
    assert climb(part_claim(now))[0][1].hint == then


def test_half_of_a_card_that_ran_out_gets_the_whole_card():
    assert [step for step, *_ in climb(part_claim("1/2"))] == [RetryStep.WHOLE_CARD]


def test_the_rules_own_word_for_the_next_attempt_counts():
    first = climb(part_claim("1/3"), asked=part_claim("3/4"))[0]
    assert first[:2] == (RetryStep.MORE_ROOM, CardShare(3, 4))
    same = climb(part_claim("1/3"), asked=part_claim("1/3", ram_mib=9000))[0]
    assert same[1] == CardShare(1, 2)
    whole = climb(part_claim("1/3"), asked=part_claim("1/3").with_whole_card())
    assert whole[0][0] is RetryStep.WHOLE_CARD


def test_after_the_card_it_spills_or_goes_to_the_cpu_if_it_may():
    able = part_claim("1/3", cpu_fallback=True, ram_overflow=True, ram_mib=9000)
    assert [step for step, *_ in climb(able)] == [
        RetryStep.MORE_ROOM,
        RetryStep.WHOLE_CARD,
        RetryStep.SPILL,
        RetryStep.CPU,
    ]


def past(outcome=Outcome.OK, peak_mib=100):
    return past_run(peak_mib=peak_mib, outcome=outcome)


def test_what_runs_took_does_not_overrule_a_stated_part():
    claim = part_claim("1/3", kind="embed")
    taught = RunStatistics([past() for _ in range(9)])
    assert adjust.by_statistics(claim, taught, 4000).share == CardShare(1, 3)
    assert adjust.to_card(claim, Capacity((card(total_mib=9),))) == claim


def test_a_rule_that_keeps_running_out_gets_the_card_alone():
    claim = part_claim("1/3", kind="embed")
    taught = RunStatistics([past(Outcome.OUT_OF_MEMORY) for _ in range(3)])
    found = adjust.by_statistics(claim, taught, 4000)
    assert (found.residency, found.share) == (Residency.GPU_EXCLUSIVE, None)


# in words


def test_it_is_told_in_words():
    bench = Bench(card(total_mib=4000))
    bench.submit(part_job("a"), part_job("b"))
    there, here = (bench.state.running[name] for name in "ab")
    line = explain.started(here.job, here.placement, bench.state.capacity.cards, [there])
    assert line == "nvinx: b -> GPU 0 shared, a third of the card with a (2.80 GB of 4.19 GB)"
    assert explain.placed(here.placement) == "a third of the card; fits beside others"
    assert explain.would_run(part_claim("1/2"), (Residency.GPU_SHARED,)) == "has half of the card"
    assert explain.ran_out(part_claim("1/3"), None) == "in a third of the card"
    again = explain.tries_again(
        "a", "in a third of the card", RetryStep.MORE_ROOM, part_claim("1/2")
    )
    assert again.endswith("in a third of the card; it is retried with half of the card.")
