"""A run can be played again from its trace, as it was or with one GPU job at a time."""

import json

import pytest
from builders import granted, part_claim
from click.testing import CliRunner
from recorded import ALONE, SHARED, Recorder

from nvinx.admission.estimates import Estimates
from nvinx.cli import main
from nvinx.jobs.outcome import Outcome
from nvinx.runs import read as recorded
from nvinx.runs import replay, trace
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.simulate import simulate


@pytest.fixture
def run(tmp_path):
    """Two that share the card, one that needs both, one on the CPU from the start."""
    run = Recorder(tmp_path)
    run.job("a", (0, 0, 4), SHARED)
    run.job("b", (0, 0, 5), SHARED)
    run.job("cpu", (0, 0, 7))
    run.job("joined", (5, 5, 6), ALONE, after=("a", "b"))
    run.at(7).close()
    return recorded.last(tmp_path)


def test_a_run_played_again_takes_as_long_as_it_did(run):
    again = simulate(
        replay.workload_of(run), replay.capacity_of(run), POLICIES["nvinx"](Estimates())
    )

    assert replay.makespan_s(run) == pytest.approx(7)
    assert {t.name: (t.start_s, t.end_s) for t in again.tasks} == {
        "a": (0, pytest.approx(4)),
        "b": (0, pytest.approx(5)),
        "cpu": (0, pytest.approx(7)),
        "joined": (pytest.approx(5), pytest.approx(6)),
    }


def test_one_gpu_job_at_a_time_would_take_their_sum(run):
    assert replay.one_at_a_time_s(run) == pytest.approx(10)
    assert replay.as_it_ran_s(run) == pytest.approx(7)


def test_time_that_partners_cost_is_taken_off(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0,), SHARED)
    job = recorded.last(tmp_path).jobs["a"]
    job.started_s, job.ended_s, job.slowdown, job.ok = 0.0, 6.0, 1.5, True
    job.placement = {"residency": "gpu_shared"}
    made = replay.workload_of(recorded.RecordedRun({}, {"a": job}, []))
    assert made.tasks["a"].duration_s == pytest.approx(4)


def test_a_job_keeps_the_size_of_its_input(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 0, 4), SHARED, size=300.0)
    assert replay.workload_of(recorded.last(tmp_path)).tasks["a"].size == 300.0


def test_failed_tries_are_left_out_and_names_that_come_twice_are_numbered(tmp_path):
    run = Recorder(tmp_path)
    run.job("x", (0, 0, 1), SHARED, outcome=Outcome.OUT_OF_MEMORY)
    run.at(1).close()
    read = recorded.last(tmp_path)
    assert not replay.workload_of(read).tasks
    again = Recorder(tmp_path)
    again.job("x", (0, 0, 1), SHARED)
    read = recorded.last(tmp_path)
    (job,) = read.jobs.values()
    read.jobs["other"] = job
    assert set(replay.workload_of(read).tasks) == {"x", "x#2"}


def test_the_command_plays_a_trace(run, tmp_path):
    (tmp_path / "bench.yaml").write_text("hardware: {cpu_cores: 4, vram_gb: 4, simulated: true}\n")
    path = trace.latest(tmp_path)
    words = ["simulate", str(path), "--bench", str(tmp_path / "bench.yaml"), "--json"]
    serial = CliRunner().invoke(main, [*words, "--policy", "serial"])
    ours = CliRunner().invoke(main, words)

    assert json.loads(serial.output)["makespan_s"] == pytest.approx(10)
    assert json.loads(ours.output)["makespan_s"] == pytest.approx(7)


def test_parts_of_a_card_are_played_again_as_parts(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 0, 4), granted(part_claim("1/3")))
    run.at(4).close()
    (task,) = replay.workload_of(recorded.last(tmp_path)).tasks.values()
    assert (task.gpu_share.hint, task.vram_mb) == ("1/3", None)
