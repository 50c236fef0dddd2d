"""A workload that is played run after run, with what the runs before it taught."""

import json
import math
import random
import statistics

import pytest
from builders import card
from click.testing import CliRunner

from nvinx.admission.estimates import NONE, Estimates
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.calibration.foreseen import calibration_of
from nvinx.cli import main
from nvinx.history.past import Past
from nvinx.interference import CoRun
from nvinx.simulation import learning
from nvinx.simulation.workload import Task, Workload

CLASH = fit_slowdown_model(
    [CoRun("a", "a", 6, 6), CoRun("a", "b", 6, 6), CoRun("b", "b", 1.05, 1.05)]
)
BENCH = "hardware: {vram_gb: 4, simulated: true, cpu_cores: 8, ram_gb: 32}\n"
PAIRS = "- {a: a, b: a, slowdown_a: 3}\n"


def work(jobs=4, models="ab"):
    return Workload.of(
        Task(name=f"{m}{k}", duration_s=10, runtime_s=10, vram_mb=900, model=m, kind=m)
        for m in models
        for k in range(jobs)
    )


def scene(**other):
    bench = Capacity((card(),), 8, 32_000)
    return learning.Scene(
        bench, Estimates(CLASH, caution=NONE), calibration_of(CLASH, "ab"), **other
    )


def played(tmp_path, times, models="ab", **other):
    again = [work(models=models)] * times
    runs = learning.play(
        again, scene(**other), lambda: Past.read(tmp_path, ["card"], other.get("told"))
    )
    return list(runs)


def simulated(tmp_path, *options, bench=BENCH, truth="pairs:\n" + PAIRS):
    (tmp_path / "nvinx.yaml").write_text(bench)
    (tmp_path / "truth.yaml").write_text(truth)
    jobs = "".join(f"- {{name: a{k}, duration_s: 10, vram_mb: 900, model: a}}\n" for k in range(4))
    (tmp_path / "work.yaml").write_text(jobs)
    command = ["simulate", str(tmp_path / "work.yaml"), "--bench", str(tmp_path / "nvinx.yaml")]
    said = [str(tmp_path / "truth.yaml") if o == "TRUTH" else o for o in options]
    return CliRunner().invoke(main, [*command, *said])


def test_the_first_run_knows_nothing_and_later_ones_what_the_history_holds(tmp_path):
    first, *_, last = played(tmp_path, 4, models="a")
    assert first.learned_s == pytest.approx(first.packed_s)
    assert last.learned_s < first.learned_s
    assert len(Past.read(tmp_path, ["card"]).runs()) == 4 * 4


def test_what_the_bench_file_says_is_believed_from_the_first_run_on(tmp_path):
    (run,) = played(tmp_path, 1, told=calibration_of(CLASH, "ab"))
    assert run.learned_s == run.calibrated_s < run.packed_s


def test_noise_changes_how_long_tasks_take_and_not_what_was_declared():
    plain, draw = work(jobs=500), random.Random(1)
    drawn = learning.noisy(plain, 0.5, draw).tasks
    logs = [math.log(drawn[name].duration_s / 10) for name in drawn]
    assert statistics.pstdev(logs) == pytest.approx(0.5, rel=0.1)
    assert {task.runtime_s for task in drawn.values()} == {10}
    assert learning.noisy(plain, 0.0, draw) == plain


def test_what_the_size_of_the_input_explains_is_learned(tmp_path):
    """Times grow with the sizes; untold, the same runs seem to differ by chance."""

    def learned(name, *, told):
        (tmp_path / name).mkdir()
        jobs = (
            Task(name=f"a[{s}]", duration_s=5 * s, vram_mb=900, model="a", size=s if told else None)
            for s in (1, 2, 4, 8)
        )
        again = [Workload.of(jobs)] * 3
        list(learning.play(again, scene(), lambda: Past.read(tmp_path / name, ["card"], None)))
        return Past.read(tmp_path / name, ["card"], None).statistics

    told, untold = learned("told", told=True), learned("untold", told=False)
    assert told.gpu_s("a", 8) == pytest.approx(40, rel=0.1)
    assert told.gpu_s("a", 1) == pytest.approx(5, rel=0.1)
    assert told.belief.solo["a"].growth == pytest.approx(1, abs=0.1)
    assert untold.gpu_s("a", 8) == untold.gpu_s("a", 1)
    assert untold.belief.noise > 5 * told.belief.noise


def test_a_foreseen_calibration_measures_the_pairs_that_calibrate_would():
    names = [f"m{k}" for k in range(7)]
    truth = fit_slowdown_model(CoRun(a, b, 2.0, 1.5) for a in names for b in names if a < b)
    found = calibration_of(truth, names)
    assert len(found.measured) == 2 * 2 * 7
    assert all(
        found.measured[pair].slowdown == truth.measured[pair].slowdown for pair in found.measured
    )


def test_one_model_alone_has_nothing_to_calibrate():
    assert calibration_of(CLASH, ["a"]) is CLASH


def test_json_has_each_run_beside_the_other_policies(tmp_path):
    done = simulated(tmp_path, "--learn", "3", "--truth", "TRUTH", "--json")
    assert done.exit_code == 0, done.output
    runs = json.loads(done.stdout)["runs"]
    assert [run["packed_s"] for run in runs] == [pytest.approx(runs[0]["packed_s"])] * 3
    for run in runs:
        assert run["serial_s"] == pytest.approx(40)
        assert run["over_calibrated"] == pytest.approx(run["learned_s"] / run["calibrated_s"])


def test_the_same_seed_draws_the_same_runs(tmp_path):
    options = ("--learn", "2", "--truth", "TRUTH", "--noise", "0.5", "--json")
    one, same, other = (simulated(tmp_path, *options, "--seed", s).stdout for s in "112")
    assert one == same != other


def test_a_table_shows_the_runs(tmp_path):
    done = simulated(tmp_path, "--learn", "2", "--truth", "TRUTH")
    assert "over calibrated" in done.stdout
    assert "40.0 s" in done.stdout


def test_without_truth_the_bench_file_s_slowdowns_are_true_and_unknown_at_first(tmp_path):
    bench = f"{BENCH}interference:\n  pairs:\n  {PAIRS}"
    done = simulated(tmp_path, "--learn", "1", "--json", bench=bench)
    (run,) = json.loads(done.stdout)["runs"]
    assert run["learned_s"] == run["packed_s"] > run["calibrated_s"]


def test_without_any_slowdown_there_is_nothing_to_learn(tmp_path):
    done = simulated(tmp_path, "--learn", "2")
    assert done.exit_code == 2
    assert "--truth" in done.output


def test_models_that_no_co_run_tells_of_are_named(tmp_path):
    truth = "pairs: [{a: x, b: y, slowdown_a: 2}]\n"
    done = simulated(tmp_path, "--learn", "1", "--truth", "TRUTH", truth=truth)
    assert "there is no co-run of a" in done.stderr


def test_noise_without_learning_is_refused(tmp_path):
    done = simulated(tmp_path, "--noise", "0.5")
    assert done.exit_code == 2
    assert "--learn" in done.output
