"""What runs teach: how long a kind takes, what partners cost it, and when to look closer."""

import pytest
from builders import cpu_claim, shared_claim
from msgspec.structs import replace

from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT, MEASURE_AT_MOST_S, RunStatistics
from nvinx.jobs.outcome import Outcome


def run(ran_s, kind="embed", profile=None, card="card", **kw):
    where = Residency.GPU_SHARED if card else Residency.CPU_ONLY
    profile = profile or kind
    return PastRun(
        name="x", kind=kind, profile=profile, residency=where, ran_s=ran_s, card=card, **kw
    )


def test_the_time_alone_is_the_median_of_runs_without_partners():
    seen = RunStatistics([run(3), run(5), run(4), run(90, co_residents={"embed": 3.0})])
    assert (seen.gpu_s("embed"), seen.cpu_s("embed")) == (4, None)


def test_where_none_was_alone_the_median_of_all_has_to_do():
    assert RunStatistics(
        [run(9, co_residents={"fold": 1.0}), run(7, co_residents={"fold": 1.0})]
    ).gpu_s("embed") == pytest.approx(8)


def test_times_on_the_cpu_are_kept_apart():
    seen = RunStatistics([run(3), run(30, card=None)])
    assert (seen.gpu_s("embed"), seen.cpu_s("embed")) == (3, 30)


def test_failed_runs_teach_no_times():
    assert RunStatistics([run(1, outcome=Outcome.FAILED)]).gpu_s("embed") is None


def test_what_three_partners_cost_is_told_apart_by_partner():
    both = [
        run(10),
        run(20, co_residents={"fold": 1.0}),
        run(25, co_residents={"fold": 1.0, "embed": 1.0}),
        run(15, co_residents={"embed": 1.0}),
    ] * 8
    seen = RunStatistics(both)
    assert seen.excess_slowdown("embed", "fold") == pytest.approx(1.0, abs=0.06)
    assert seen.excess_slowdown("embed", "embed") == pytest.approx(0.5, abs=0.06)
    assert seen.excess_slowdown("embed", "unknown") is None


def test_one_odd_run_counts_only_in_part():
    once = RunStatistics([run(10), run(20, co_residents={"fold": 1.0})])
    assert 0.4 < once.excess_slowdown("embed", "fold") < 0.8


def test_partners_that_seem_to_help_cost_nothing():
    assert (
        RunStatistics([run(10), run(8, co_residents={"fold": 1.0})]).excess_slowdown(
            "embed", "fold"
        )
        == 0
    )


def test_without_a_run_alone_nobody_knows_what_partners_cost():
    seen = RunStatistics([run(9, co_residents={"embed": 3.0})] * 4)
    assert seen.excess_slowdown("embed", "embed") is None
    assert seen.wants_alone("embed")
    seen.add(run(3))
    assert not seen.wants_alone("embed")
    assert seen.excess_slowdown("embed", "embed") == pytest.approx(2 / 3, rel=0.05)


def test_jobs_of_one_model_and_two_rules_are_compared_with_their_own_rule():
    runs = [
        run(10, "short", "m"),
        run(100, "long", "m"),
        run(150, "long", "m", co_residents={"x": 1.0}),
    ]
    assert 0.2 < RunStatistics(runs).excess_slowdown("m", "x") <= 0.5


@pytest.mark.parametrize("ran_s", [MEASURE_AT_MOST_S + 1, 10 * MEASURE_AT_MOST_S])
def test_long_jobs_are_not_left_alone_to_learn(ran_s):
    assert not RunStatistics([run(ran_s, co_residents={"embed": 1.0})]).wants_alone("embed")


def test_an_unknown_kind_is_not_left_alone():
    assert not RunStatistics().wants_alone("embed")


def test_old_runs_fade():
    seen = RunStatistics([run(1)] * KEPT + [run(2)] * KEPT)
    assert seen.gpu_s("embed") == 2


def test_declared_times_come_before_learnt_ones():
    seen = RunStatistics([run(3), run(30, card=None)])
    gpu = shared_claim(kind="embed")
    assert (seen.with_runtimes(gpu).runtime_s, seen.with_runtimes(gpu).cpu_runtime_s) == (3, 30)
    told = shared_claim(kind="embed", runtime_s=60)
    assert seen.with_runtimes(told).runtime_s == 60
    cpu = cpu_claim(kind="embed")
    assert (seen.with_runtimes(cpu).runtime_s, seen.with_runtimes(cpu).cpu_runtime_s) == (30, None)


def sized(size, ran_s, **kw):
    return run(ran_s, size=float(size), **kw)


def test_times_follow_the_size_of_the_input_where_runs_show_that():
    seen = RunStatistics([sized(n, 2 * n) for n in (10, 20, 30, 40, 50, 60)])
    assert seen.gpu_s("embed", 15) == pytest.approx(30, rel=0.05)
    assert seen.gpu_s("embed", 55) == pytest.approx(110, rel=0.05)
    assert seen.gpu_s("embed") == pytest.approx(70)
    assert seen.gpu_s("embed", 6000) == pytest.approx(70)


def test_times_on_the_cpu_follow_the_size_as_well():
    seen = RunStatistics([sized(n, 20 * n, card=None) for n in (10, 20, 30, 40, 50, 60)])
    assert seen.cpu_s("embed", 15) == pytest.approx(300, rel=0.05)


def test_a_claim_gets_the_time_for_its_own_input():
    seen = RunStatistics([sized(n, 2 * n) for n in (10, 20, 30, 40, 50, 60)])
    assert seen.with_runtimes(shared_claim(kind="embed", size=15.0)).runtime_s == pytest.approx(
        30, rel=0.05
    )


def test_the_cost_of_a_partner_is_not_mistaken_for_a_large_input():
    alone = [sized(n, 2 * n) for n in (10, 20, 30, 40, 50, 60)]
    beside = [sized(60, 120, co_residents={"fold": 1.0})] * 8
    seen = RunStatistics([*alone, *beside])
    assert seen.excess_slowdown("embed", "fold") == pytest.approx(0.0, abs=0.1)


def test_vram_is_what_nearly_all_runs_with_such_an_input_stay_below():
    seen = RunStatistics([sized(n, 5, peak_mib=100 + 10 * n) for n in (10, 20, 30, 40, 50, 60)])
    assert 300 < seen.vram_mib("embed", 20) < 350
    assert 700 < seen.vram_mib("embed", 60) < 800
    assert seen.vram_mib("embed", 600) > 6000
    assert seen.vram_mib("embed") is None
    assert seen.vram_mib("other", 20) is None


def test_runs_that_nobody_measured_or_that_spilled_teach_no_vram():
    assert RunStatistics([sized(n, 5) for n in range(1, 9)]).vram_mib("embed", 5) is None
    spilled = [
        replace(sized(n, 5, peak_mib=4000), residency=Residency.GPU_RAM_OVERFLOW)
        for n in range(1, 9)
    ]
    assert RunStatistics(spilled).vram_mib("embed", 5) is None


def test_a_further_run_changes_what_is_expected():
    seen = RunStatistics([sized(n, 5, peak_mib=500) for n in (10, 20, 30, 40)])
    before = seen.vram_mib("embed", 20)
    for _ in range(8):
        seen.add(sized(20, 5, peak_mib=900))
    assert seen.vram_mib("embed", 20) > before
