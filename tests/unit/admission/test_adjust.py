"""A claim before it is queued: what earlier runs changed in it, and what the bench cannot give."""

from builders import past_run
from msgspec.structs import replace

from nvinx.admission import adjust
from nvinx.admission.job import Job
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome

CLAIM = Claim(residency=Residency.GPU_SHARED, vram_mib=900, ram_mib=4000, kind="embed")


def run(outcome=Outcome.OK, ran_s=20.0):
    return past_run(ran_s=ran_s, outcome=outcome)


def test_learned_times_are_filled_in_where_none_is_declared():
    assert adjust.by_statistics(CLAIM, RunStatistics([run()]), 4000).runtime_s == 20.0


def test_a_kind_that_ran_out_of_memory_twice_gets_the_card_alone_until_better_runs_came():
    often = RunStatistics([run(Outcome.OUT_OF_MEMORY)] * 2)
    assert adjust.keeps_running_out(CLAIM, often)
    assert adjust.by_statistics(CLAIM, often, 4000).residency is Residency.GPU_EXCLUSIVE
    once = RunStatistics([run(Outcome.OUT_OF_MEMORY), run()])
    assert adjust.by_statistics(CLAIM, once, 4000).residency is Residency.GPU_SHARED
    for _ in range(8):
        often.add(run())
    assert not adjust.keeps_running_out(CLAIM, often)


def test_more_ram_than_there_is_counts_as_all_of_it_but_not_for_a_job_that_may_spill():
    assert adjust.to_ram(CLAIM, 3000).ram_mib == 3000
    assert adjust.to_ram(CLAIM, 5000) == CLAIM
    spills = Claim(residency=Residency.GPU_RAM_OVERFLOW, vram_mib=9000, ram_mib=8000)
    assert adjust.to_ram(spills, 3000) == spills


def test_a_job_whose_need_is_to_be_learned_shares_once_it_is_known():
    unknown = Claim(residency=Residency.GPU_EXCLUSIVE, kind="embed", auto_vram=True, size=50.0)
    assert adjust.by_statistics(unknown, RunStatistics([measured(50)] * 3), 4000) == replace(
        unknown, runtime_s=20.0
    )
    seen = RunStatistics([measured(size) for size in (10, 20, 30, 40, 50, 60)])
    known = adjust.by_statistics(unknown, seen, 4000)
    assert known.residency is Residency.GPU_SHARED
    assert 550 < known.vram_mib < 660
    assert adjust.by_statistics(unknown, seen, 500).residency is Residency.GPU_EXCLUSIVE
    far = replace(unknown, size=500.0)
    assert adjust.by_statistics(far, seen, 4000).residency is Residency.GPU_EXCLUSIVE


def test_a_job_that_was_given_the_whole_card_after_a_failure_keeps_it():
    seen = RunStatistics([measured(size) for size in (10, 20, 30, 40, 50, 60)])
    climbed = Claim(
        residency=Residency.GPU_EXCLUSIVE, vram_mib=600, kind="embed", auto_vram=True, size=50.0
    )
    assert adjust.by_statistics(climbed, seen, 4000).residency is Residency.GPU_EXCLUSIVE


def measured(size):
    """A run whose peak grows with its input."""
    return replace(run(), size=float(size), peak_mib=50 + 10 * size)


def auto(size, kind="embed", **other):
    return Claim(
        residency=Residency.GPU_EXCLUSIVE, kind=kind, auto_vram=True, size=float(size), **other
    )


def named(*claims):
    return [Job(f"{n}", f"{claim.kind}{claim.size}", claim) for n, claim in enumerate(claims)]


def test_small_inputs_teach_first_and_then_the_largest():
    jobs = named(*(auto(size) for size in (50, 10, 60, 20, 40, 30)))
    sizes = [job.claim.size for job in adjust.to_learn_by(jobs)]
    assert sizes == [10, 20, 30, 40, 60, 50]


def test_jobs_with_a_figure_keep_their_place_in_the_line():
    jobs = named(CLAIM, auto(50), CLAIM, auto(10))
    line = adjust.to_learn_by(jobs)
    assert [job.id for job in line] == ["0", "3", "2", "1"]


def test_what_runs_taught_meanwhile_changes_a_waiting_claim_and_nothing_else_does():
    few = RunStatistics([measured(size) for size in (10, 20)])
    assert adjust.learned(auto(50), few, 4000) == auto(50)
    seen = RunStatistics([measured(size) for size in (10, 20, 30, 40, 50, 60)])
    share = adjust.learned(auto(50), seen, 4000)
    assert share.residency is Residency.GPU_SHARED
    assert adjust.learned(share, seen, 4000) is share
    assert adjust.learned(replace(share, vram_mib=3000), seen, 4000) == share
    assert adjust.learned(CLAIM, seen, 4000) is CLAIM


def test_a_kind_that_learns_is_not_kept_alone_for_having_run_out():
    often = RunStatistics([run(Outcome.OUT_OF_MEMORY)] * 2)
    shared = replace(auto(50), residency=Residency.GPU_SHARED, vram_mib=600)
    assert not adjust.keeps_running_out(shared, often)
