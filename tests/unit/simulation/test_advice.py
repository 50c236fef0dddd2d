"""What would help most: single changes, each played, the best told first."""

import pytest
from builders import card

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.simulation.advice import advise
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload

CAPACITY = Capacity((card(total_mib=4096),), 4, 32_000)


def makespan_s(workload, capacity):
    return simulate(workload, capacity, LongestChainFirst(Estimates())).makespan_s


def bag(number, **task):
    return Workload.of(
        Task(**{"name": f"job[{n}]", "duration_s": 10.0, "runtime_s": 10.0, **task})
        for n in range(number)
    )


def test_exclusive_jobs_that_could_share_are_told_so():
    work = bag(4, residency=Residency.GPU_EXCLUSIVE)
    told = {a.change: a.saves_s for a in advise(work, CAPACITY, makespan_s)}
    assert told["declare vram_mb for job, if it needs 2147 or less"] == pytest.approx(20)


def test_too_few_cores_are_named():
    (first, *_) = advise(bag(8, duration_s=10), CAPACITY, makespan_s)
    assert (first.change, first.saves_s) == ("8 cores instead of 4", pytest.approx(10))
    assert first.share == pytest.approx(0.5)


def test_what_helps_most_comes_first_and_little_is_not_told():
    several = advise(bag(9, vram_mb=3000), CAPACITY, makespan_s)
    assert [a.saves_s for a in several] == sorted((a.saves_s for a in several), reverse=True)
    assert 1 <= len(several) <= 3
    assert advise(bag(1), CAPACITY, makespan_s) == []


def test_of_many_rules_only_those_that_take_longest_are_tried():
    work = Workload.of(
        Task(name=f"rule_{n}[1]", duration_s=1.0 + n, vram_mb=900) for n in range(600)
    )
    played = []

    def count(workload, capacity):
        played.append(workload)
        return 1000.0 - len(played)

    told = advise(work, CAPACITY, count)
    assert len(played) <= 31
    assert all("rule_59" in advice.change or "rule_58" in advice.change for advice in told)
