"""Longest chain first, sharing where it pays, and promises that are kept."""

import math

import pytest
from builders import card, cpu_job, exclusive_job, shared_job

from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Finished, Start, Submitted
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.interference import CoRun
from nvinx.reasons import Reason, Why

CARD, OTHER = card(0), card(1)
SLOWDOWNS = fit_slowdown_model(
    [
        CoRun("hot", "hot", 3.0, 3.0),
        CoRun("cool", "cool", 1.1, 1.1),
        CoRun("hot", "cool", 1.5, 1.6),
    ]
)
BLIND, SEEING = LongestChainFirst(), LongestChainFirst(Estimates(SLOWDOWNS))


class Bench:
    def __init__(self, policy, *cards, cores=8):
        self.policy = policy
        self.state = State(Capacity(cards or (CARD,), cores, 64_000))

    def take(self, event):
        self.state, decisions = step(self.state, event, self.policy)
        check(self.state)
        return [d.job_id for d in decisions if isinstance(d, Start)]

    def submit(self, *jobs, at=0.0):
        return self.take(Submitted(jobs, at))

    def finish(self, name, at):
        return self.take(Finished(name, at))

    def why(self, name, at=0.0):
        return self.policy.decide(self.state, at).reason(self.state.waiting[name].job)

    def where(self, name):
        return self.state.running[name].placement


# who goes first


def test_the_job_with_the_longest_chain_behind_it_goes_first():
    bench = Bench(BLIND)
    bench.submit(shared_job("now", 4000, runtime_s=5))
    bench.submit(shared_job("short", 4000, chain_s=10), shared_job("long", 4000, chain_s=90))
    assert bench.finish("now", 5.0) == ["long"]


def test_priority_comes_before_the_chain_and_age_decides_between_equals():
    bench = Bench(BLIND)
    bench.submit(shared_job("now", 4000))
    bench.submit(shared_job("first", 4000), at=1.0)
    bench.submit(shared_job("second", 4000), shared_job("urgent", 4000, priority=1), at=2.0)
    assert bench.finish("now", 3.0) == ["urgent"]
    assert bench.finish("urgent", 4.0) == ["first"]


def test_cpu_work_goes_by_its_chain_too():
    bench = Bench(BLIND, cores=1)
    bench.submit(cpu_job("now"))
    bench.submit(cpu_job("leaf", chain_s=1), cpu_job("root", chain_s=50))
    assert bench.finish("now", 1.0) == ["root"]


# whether sharing pays


def test_without_calibration_jobs_share_by_vram_alone():
    assert Bench(BLIND).submit(*(shared_job(f"j{k}", model="hot") for k in range(4))) == [
        "j0", "j1", "j2", "j3"
    ]  # fmt: skip


def test_jobs_that_thrash_each_other_run_one_by_one_and_say_why():
    bench = Bench(SEEING)
    assert bench.submit(shared_job("a", model="hot"), shared_job("b", model="hot")) == ["a"]
    why = bench.why("b")
    assert (why.why, why.behind) == (Why.NO_GAIN_FROM_SHARING, ("a",))
    assert why.factor == pytest.approx(2 / 3)
    assert why.limit == 1.0
    assert bench.finish("a", 1.0) == ["b"]


def test_jobs_that_hardly_disturb_each_other_share():
    assert Bench(SEEING).submit(shared_job("a", model="cool"), shared_job("b", model="cool")) == [
        "a",
        "b",
    ]


def test_a_job_of_which_nothing_is_known_does_not_join_where_others_are_calibrated():
    bench = Bench(SEEING)
    assert bench.submit(shared_job("a", model="hot"), shared_job("b", model="stranger")) == ["a"]
    assert bench.why("b").why is Why.NO_GAIN_FROM_SHARING


def test_a_newcomer_respects_its_own_limit():
    bench = Bench(SEEING)
    assert bench.submit(
        shared_job("a", model="cool"), shared_job("b", model="cool", max_slowdown=1.05)
    ) == ["a"]
    why = bench.why("b")
    assert (why.why, why.factor, why.limit) == (Why.BREAKS_MAX_SLOWDOWN, pytest.approx(1.1), 1.05)


def test_a_newcomer_respects_the_limit_of_who_is_there():
    bench = Bench(SEEING)
    assert bench.submit(
        shared_job("a", model="cool", max_slowdown=1.05), shared_job("b", model="cool")
    ) == ["a"]
    assert bench.why("b").why is Why.BREAKS_MAX_SLOWDOWN
    assert bench.finish("a", 9.0) == ["b"]


def test_busy_shares_decide_where_nobody_measured_pairs():
    policy = LongestChainFirst(Estimates(utilisation={"busy": 0.7, "idle": 0.2}))
    bench = Bench(policy)
    jobs = (
        shared_job("a", model="busy"),
        shared_job("b", model="idle"),
        shared_job("c", model="busy"),
    )
    assert bench.submit(*jobs) == ["a", "b"]


def test_of_several_cards_a_job_goes_where_it_ends_first():
    bench = Bench(SEEING, CARD, OTHER)
    bench.submit(shared_job("a", model="cool", runtime_s=50))
    bench.submit(shared_job("b", model="cool", runtime_s=10))
    assert bench.where("b").card == "gpu-1"


# promises


def test_who_ends_before_the_promised_start_may_overtake():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 900, runtime_s=100))
    assert bench.submit(exclusive_job("whole", runtime_s=300), at=1.0) == []
    assert bench.submit(shared_job("quick", 900, runtime_s=20), at=2.0) == ["quick"]


def test_who_would_end_after_the_promised_start_waits():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 900, runtime_s=100))
    bench.submit(exclusive_job("whole", runtime_s=300, chain_s=300), at=1.0)
    assert bench.submit(shared_job("slow", 900, runtime_s=120), at=2.0) == []
    why = bench.why("slow", 2.0)
    assert (why.why, why.behind) == (Why.BEHIND_OLDER_JOB, ("whole",))


def test_who_leaves_the_promised_job_its_room_may_overtake():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 3000, runtime_s=100))
    bench.submit(shared_job("big", 2000, runtime_s=50, chain_s=999), at=1.0)
    assert bench.submit(shared_job("small", 900, runtime_s=500), at=2.0) == ["small"]
    assert bench.submit(shared_job("middle", 950, runtime_s=500), at=3.0) == []


def test_overtaking_ends_when_an_exclusive_job_waited_half_its_length():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 900, runtime_s=100))
    bench.submit(exclusive_job("whole", runtime_s=40), at=0.0)
    assert bench.submit(shared_job("early", 900, runtime_s=5), at=19.0) == ["early"]
    assert bench.submit(shared_job("late", 900, runtime_s=5), at=21.0) == []


def test_an_exclusive_job_goes_first_once_it_waited_half_its_length():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 4000, runtime_s=60))
    bench.submit(
        exclusive_job("whole", runtime_s=40, chain_s=40), shared_job("long", 4000, chain_s=900)
    )
    assert bench.finish("there", 60.0) == ["whole"]


def test_where_run_times_are_unknown_others_overtake_for_a_minute():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 900))
    bench.submit(exclusive_job("whole"), at=0.0)
    assert bench.submit(shared_job("early"), at=59.0) == ["early"]
    assert bench.submit(shared_job("late"), at=61.0) == []


def test_a_wide_cpu_job_is_not_starved_by_narrow_ones():
    bench = Bench(BLIND, cores=4)
    bench.submit(*(cpu_job(f"n{k}", runtime_s=10) for k in range(4)))
    bench.submit(cpu_job("wide", cores=4, runtime_s=5, chain_s=99), at=0.0)
    for k in range(4):
        assert bench.submit(cpu_job(f"m{k}", runtime_s=30), at=1.0) == []
        started = bench.finish(f"n{k}", 10.0)
    assert started == ["wide"]


def test_a_longer_chain_passes_an_older_job_by_for_a_time_only():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 4000, runtime_s=9999))
    bench.submit(shared_job("old", 4000, chain_s=10), at=0.0)
    bench.submit(shared_job("soon", 4000, chain_s=100), at=300.0)
    bench.submit(shared_job("later", 4000, chain_s=100), at=400.0)
    assert bench.finish("there", 401.0) == ["soon"]
    assert bench.finish("soon", 402.0) == ["old"]


# the CPU instead


def test_a_job_takes_the_cpu_when_it_is_done_sooner_there_than_by_waiting():
    bench = Bench(BLIND)
    bench.submit(exclusive_job("whole", runtime_s=100))
    both = {"cpu_fallback": True, "runtime_s": 10}
    assert bench.submit(shared_job("quick", cpu_runtime_s=60, **both), at=1.0) == ["quick"]
    assert bench.where("quick").residency is Residency.CPU_ONLY
    assert bench.where("quick").why is Why.SOONER_ON_CPU
    assert bench.submit(shared_job("slow", cpu_runtime_s=200, **both), at=2.0) == []


def test_the_work_that_waits_in_front_counts_too():
    bench = Bench(BLIND)
    bench.submit(exclusive_job("whole", runtime_s=50))
    bench.submit(exclusive_job("next", runtime_s=100, chain_s=500), at=1.0)
    both = {"cpu_fallback": True, "runtime_s": 10, "cpu_runtime_s": 120}
    assert bench.submit(shared_job("third", **both), at=2.0) == ["third"]


def test_work_of_unknown_length_in_front_counts_as_the_usual_run_time():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 4000, runtime_s=100))
    bench.submit(*(shared_job(f"unknown{k}", 4000, chain_s=500) for k in range(3)), at=1.0)
    may = {"cpu_fallback": True, "runtime_s": 100}
    assert bench.submit(shared_job("slow", 4000, cpu_runtime_s=600, **may), at=2.0) == []
    assert bench.submit(shared_job("quick", 4000, cpu_runtime_s=450, **may), at=3.0) == ["quick"]


def test_where_no_run_time_is_known_each_counts_as_a_minute():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 4000))
    bench.submit(shared_job("next", 4000, chain_s=500), at=1.0)
    may = {"cpu_fallback": True}
    assert bench.submit(shared_job("slow", 4000, cpu_runtime_s=200, **may), at=2.0) == []
    assert bench.submit(shared_job("quick", 4000, cpu_runtime_s=150, **may), at=3.0) == ["quick"]


def test_a_job_of_unknown_length_that_runs_is_taken_to_end_at_the_usual_time():
    bench = Bench(BLIND)
    bench.submit(shared_job("there", 4000))
    may = {"cpu_fallback": True, "runtime_s": 60, "cpu_runtime_s": 80}
    assert bench.submit(shared_job("early", 4000, **may), at=10.0) == ["early"]
    assert bench.submit(shared_job("late", 4000, **may), at=50.0) == []


def test_without_a_known_time_on_the_cpu_a_job_waits_for_the_card():
    bench = Bench(BLIND)
    bench.submit(exclusive_job("whole", runtime_s=1000))
    assert bench.submit(shared_job("a", cpu_fallback=True, runtime_s=1), at=1.0) == []


# what is believed


def test_a_run_that_takes_longer_than_expected_is_given_more_time():
    estimates = Estimates()
    claim = shared_job("a", runtime_s=10).claim
    assert estimates.end_s(claim, [], 0.0, 5.0) == 10.0
    assert estimates.end_s(claim, [], 0.0, 40.0) == 44.0
    assert math.isinf(estimates.end_s(shared_job("b").claim, [], 0.0, 5.0))


def test_company_lengthens_what_is_expected():
    hot = shared_job("a", model="hot", runtime_s=10).claim
    assert Estimates(SLOWDOWNS).end_s(hot, [hot], 0.0, 0.0) == pytest.approx(30.0)


def test_a_round_asks_only_so_many_in_vain():
    bench = Bench(BLIND)
    bench.submit(exclusive_job("whole", runtime_s=1000))
    bench.submit(*(shared_job(f"j{k}", 4000) for k in range(500)), at=1.0)
    asked = bench.policy.decide(bench.state, 1.0)
    assert len(asked.waits) == 100
    assert bench.why("j0", 1.0).why is Why.CARD_HELD_EXCLUSIVELY
    assert bench.why("j499", 1.0) == Reason("j499", Why.CARD_HELD_EXCLUSIVELY, behind=("whole",))
    assert len(bench.finish("whole", 2.0)) == 1


def test_a_job_that_names_a_card_gets_none_but_that_and_is_impossible_without_it():
    bench = Bench(BLIND, card(0, name="NVIDIA T4"), card(1, name="NVIDIA A100"))
    bench.submit(exclusive_job("one", card_name="a100"), exclusive_job("two", card_name="a100"))
    assert bench.where("one").card == "gpu-1"
    assert bench.why("two").why is Why.CARD_HELD_EXCLUSIVELY
    reason = BLIND.impossible(exclusive_job("no", card_name="h100"), bench.state.capacity)
    assert reason == Reason("no", Why.NO_CARD_OF_THAT_NAME)


def test_a_job_that_names_a_card_that_is_not_there_runs_on_the_cpu_if_it_may():
    bench = Bench(BLIND)
    bench.submit(exclusive_job("one", card_name="h100", cpu_fallback=True))
    assert bench.where("one").why is Why.NO_CARD_OF_THAT_NAME
