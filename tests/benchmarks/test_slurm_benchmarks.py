"""The benchmarks of nvinx-slurm: a small simulated cluster, and the table of what was measured."""

import sys
from pathlib import Path

import pytest
from benchmark_script import BENCHMARKS, output
from builders import shared_claim

ROOT = Path(__file__).parents[2]


@pytest.fixture
def simulation(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import cluster_simulation

    yield cluster_simulation
    for name in ("cluster_simulation", "slurm_like"):
        monkeypatch.delitem(sys.modules, name)


def test_a_small_cluster_is_simulated_with_each_belief():
    text = output("cluster_simulation.py", "--jobs", "60", "--nodes", "3", "--at-once", "30")
    assert "60 jobs on 3 nodes" in text
    assert all(what in text for what in ("nothing", "predicted", "the truth"))


@pytest.mark.parametrize("seed", range(3))
def test_no_belief_beats_the_bound_and_every_job_ends_once(simulation, seed):
    case = simulation.draw_case(120, 4, 2, 2.5, seed)
    shared = sum(task.model is not None for task in case.workload.tasks.values())
    assert len(case.workload.tasks) == 120
    for what in simulation.BELIEFS:
        how = {"at_once": 50, "poll": 10, "least_loaded": seed % 2}
        outcome = simulation.Run(case, case.believed(what, seed), how).play()
        assert outcome.makespan_s >= case.bound_s()
        assert len(outcome.slowdowns) == shared
        assert min(outcome.slowdowns) > 1 - 1e-6


def test_a_job_that_waits_for_a_whole_card_is_not_overtaken_for_ever(simulation):
    from slurm_like import Asked, Queue

    (node,) = simulation.draw_case(10, 1, 1, 1.0, 0).nodes
    claim = shared_claim(1, runtime_s=100.0)

    def asked(name, shards):
        return Asked(name, claim, shards, frozenset([node.name]), 100.0)

    queue = Queue([node])
    running = [asked(f"small{n}", 1) for n in range(4)]
    places = {job: queue.submit(job, 0.0) for job in running}
    whole, others = asked("whole", 4), [asked(f"late{n}", 1) for n in range(4)]
    assert [queue.submit(job, 0.0) for job in (whole, *others)] == [None] * 5
    started = []
    for job in running:
        started += [who.name for who, _ in queue.leave(job, places[job], 100.0)]
    assert started == ["whole"]


def test_the_committed_figures_of_a_real_slurm_are_shown():
    text = output("slurm/run.py", "--from", ROOT / "docs" / "measured" / "slurm.json")
    assert "contended: 22 jobs" in text
    assert "short: 200 jobs" in text
    assert "nvinx / bare, wall" in text
