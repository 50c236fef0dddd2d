"""What runs teach: how long a kind takes, what partners cost it, and when to look closer."""

import pytest
from builders import company, cpu_claim, shared_claim
from msgspec.structs import replace

from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT, RunStatistics
from nvinx.jobs.outcome import Outcome


def run(ran_s, kind="embed", profile=None, card="card", **kw):
    where = Residency.GPU_SHARED if card else Residency.CPU_ONLY
    profile = profile or kind
    return PastRun(
        name="x", kind=kind, profile=profile, residency=where, ran_s=ran_s, card=card, **kw
    )


def learned(*runs):
    seen = RunStatistics(runs)
    seen.learn()
    return seen


def beside(ran_s, *partners, **kw):
    return run(ran_s, company=(company(ran_s, *partners),), **kw)


def test_the_time_alone_is_what_runs_took_less_what_their_company_cost():
    seen = learned(run(3), run(5), run(4), *[beside(12, "fold")] * 5)
    assert seen.gpu_s("embed") == pytest.approx(4, rel=0.1)
    assert seen.cpu_s("embed") is None


def test_before_anything_was_fitted_the_time_alone_is_the_median_of_runs_alone():
    assert RunStatistics([run(3), run(5), run(4), beside(90, "fold")]).gpu_s("embed") == 4
    assert RunStatistics([beside(9, "fold"), beside(7, "fold")]).gpu_s("embed") == 8


def test_times_on_the_cpu_are_kept_apart():
    seen = RunStatistics([run(3), run(30, card=None)])
    assert (seen.gpu_s("embed"), seen.cpu_s("embed")) == (3, 30)


def test_failed_runs_teach_no_times():
    assert RunStatistics([run(1, outcome=Outcome.FAILED)]).gpu_s("embed") is None


def test_without_a_run_alone_one_is_asked_for():
    seen = learned(*[beside(9, "embed", "embed", "embed")] * 4)
    assert seen.wants_alone("embed")
    seen.add(run(3))
    assert not seen.wants_alone("embed")


def test_whoever_was_alone_once_is_not_asked_to_be_so_again():
    seen = RunStatistics([run(3), *[beside(9, "embed")] * (2 * KEPT)])
    assert not seen.wants_alone("embed")


def test_a_fit_is_due_after_each_run_while_few_are_known_and_then_less_often():
    seen, due = RunStatistics(), []
    for _ in range(100):
        seen.add(run(3))
        due.append(seen.learn())
    assert due[:20] == [True] * 20
    assert 0 < sum(due[40:]) < 30


def test_how_long_a_job_runs_does_not_matter_to_whether_its_time_alone_is_unknown():
    assert RunStatistics([beside(100_000, "embed")]).wants_alone("embed")


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
    alone = [sized(n, 2 * n) for n in (10, 20, 30, 40, 50, 60)] * 2
    seen = learned(*alone, *[beside(120, "fold", size=60.0)] * 8)
    assert seen.belief.excess("embed", "fold") < 0.15


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
