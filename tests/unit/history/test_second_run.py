"""A first run teaches the second: what hurts is not repeated, what helps is kept."""

import pytest
from builders import card

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.history.statistics import RunStatistics
from nvinx.interference import CoRun
from nvinx.reasons import Why
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload

CAPACITY = Capacity((card(total_mib=4096),), 8, 32_000)


def contended(small=4):
    long = Task(name="long", duration_s=20, vram_mb=3500, residency=None)
    several = [Task(name=f"small[{n}]", duration_s=3, vram_mb=900) for n in range(small)]
    return Workload.of([long, *several])


def truth(slowdown):
    return Estimates(fit_slowdown_model([CoRun("small", "small", slowdown, slowdown)]))


def play(workload, statistics, real):
    policy = LongestChainFirst(Estimates(statistics=statistics))
    return simulate(workload, CAPACITY, policy, real, statistics)


@pytest.mark.parametrize("slowdown", [1.1, 1.5, 2.5, 3.0])
def test_without_calibration_the_second_run_is_no_slower_than_one_job_at_a_time(slowdown):
    workload, seen, real = contended(), RunStatistics(), truth(slowdown)
    serial = simulate(workload, CAPACITY, POLICIES["serial"](Estimates()), real).makespan_s
    play(workload, seen, real)
    second = play(workload, seen, real)
    third = play(workload, seen, real)
    assert second.makespan_s <= serial * 1.05
    assert third.makespan_s <= serial * 1.05


def test_jobs_that_hurt_each_other_are_kept_apart_from_the_second_run_on():
    workload, seen, real = contended(), RunStatistics(), truth(3.0)
    first = play(workload, seen, real).makespan_s
    second = play(workload, seen, real)
    assert (first > 38, second.makespan_s) == (True, pytest.approx(32))
    assert not any(task.partners for task in second.tasks)


def test_one_job_runs_alone_once_and_then_jobs_that_share_well_share_again():
    workload, seen, real = contended(), RunStatistics(), truth(1.02)
    play(workload, seen, real)
    second = play(workload, seen, real)
    measured = [task for task in second.tasks if task.placement.why is Why.MEASURED_ALONE]
    assert [len(task.partners) for task in measured] == [0]
    third = play(workload, seen, real)
    assert not any(task.placement.why is Why.MEASURED_ALONE for task in third.tasks)
    assert third.makespan_s < second.makespan_s
