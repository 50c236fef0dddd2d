"""A simulation plays by the same decisions, at the speeds that the truth allows."""

import json
import random
from pathlib import Path

import pytest
from builders import card
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from nvinx.admission.estimates import NONE, Estimates
from nvinx.admission.planner.planner import Planner
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.cli import main
from nvinx.errors import BenchError, WorkloadError
from nvinx.interference import CoRun
from nvinx.interference.p_norm import combined
from nvinx.jobs import card_share
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.generate import KINDS
from nvinx.simulation.lower_bound import lower_bound_s
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload
from nvinx.simulation.workload_file import parse, write

CAPACITY = Capacity((card(),), 4, 32_000)
TRUTH = Estimates(
    fit_slowdown_model(
        [CoRun("a", "a", 1.5, 1.5), CoRun("a", "b", 2.0, 1.25), CoRun("b", "b", 1.1, 1.1)]
    ),
    caution=NONE,
)
MODELS = [("a", 900), ("b", 700)]


def gpu(name, duration_s, model="a", **kw):
    return Task(name=name, duration_s=duration_s, vram_mb=900, model=model, **kw)


def cpu(name, duration_s, **kw):
    return Task(name=name, duration_s=duration_s, **kw)


def play(*tasks, policy=None, truth=TRUTH, capacity=CAPACITY):
    return simulate(Workload.of(tasks), capacity, policy or LongestChainFirst(), truth)


def ends(played):
    return {task.name: pytest.approx(task.end_s) for task in played.tasks}


def test_two_jobs_on_a_card_slow_each_other_as_the_truth_has_it():
    assert ends(play(gpu("x", 10), gpu("y", 10))) == {"x": 15, "y": 15}


def test_a_job_is_slowed_only_while_it_has_partners():
    played = play(gpu("x", 10, "a"), gpu("y", 10, "b"))
    assert ends(played) == {"y": 12.5, "x": 12.5 + 10 - 6.25}
    assert {task.name: task.partners for task in played.tasks} == {"x": ("y",), "y": ("x",)}


def test_jobs_wait_for_their_needs_and_their_release():
    played = play(cpu("late", 5, release_s=20), cpu("one", 3), cpu("two", 4, after=("one",)))
    assert ends(played) == {"one": 3, "two": 7, "late": 25}


def test_the_cpu_version_takes_its_own_time():
    both = {"cpu_duration_s": 30, "runtime_s": 10}
    whole = Task(name="whole", duration_s=100, runtime_s=100, residency=Residency.GPU_EXCLUSIVE)
    played = play(whole, gpu("x", 10, **both))
    assert ends(played)["x"] == 30


def test_the_busy_time_of_the_card_is_counted():
    played = play(gpu("x", 10), cpu("y", 40))
    assert played.gpu_busy_s == {"gpu-0": pytest.approx(10)}
    assert played.makespan_s == pytest.approx(40)


def test_what_a_job_waited_for_is_kept():
    policy = POLICIES["serial"](Estimates())
    second = play(gpu("x", 10), gpu("y", 10), policy=policy).tasks[1]
    assert (second.name, second.waited_for.behind) == ("y", ("x",))


def test_a_task_that_can_never_run_is_refused():
    with pytest.raises(WorkloadError, match=r"task x: .*9\.00 GB of VRAM"):
        play(Task(name="x", duration_s=1, vram_mb=9000))


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([cpu("a", 1), cpu("a", 1)], "two tasks"),
        ([cpu("a", 1, after=("b",))], "b, which is not a task"),
        ([cpu("a", 1, after=("b",)), cpu("b", 1, after=("a",))], "comes after itself"),
    ],
)
def test_a_workload_that_cannot_be_ordered_is_refused(tasks, said):
    with pytest.raises(WorkloadError, match=said):
        Workload.of(tasks)


# the bound


def bound(*tasks, capacity=CAPACITY, truth=TRUTH):
    return lower_bound_s(Workload.of(tasks), capacity, truth)


def test_a_chain_is_never_shorter_than_its_tasks():
    assert bound(cpu("a", 5), cpu("b", 7, after=("a",)), cpu("c", 1)) == pytest.approx(12)


def test_the_card_works_no_faster_than_its_best_co_residency():
    together = max(n / combined([0.5] * (n - 1)) for n in (1, 2, 3, 4))
    assert bound(*(gpu(f"x{k}", 12) for k in range(4))) == pytest.approx(4 * 12 / together)


def test_a_card_of_its_own_is_not_shared():
    whole = [Task(name=f"w{k}", duration_s=9, residency=Residency.GPU_EXCLUSIVE) for k in range(3)]
    assert bound(*whole) == pytest.approx(27)


def test_cores_bound_what_runs_on_the_cpu():
    assert bound(*(cpu(f"c{k}", 10, threads=2) for k in range(6))) == pytest.approx(30)


def test_the_job_that_is_hardly_slower_there_may_be_the_one_on_the_cpu():
    whole = {"duration_s": 10, "residency": Residency.GPU_EXCLUSIVE, "model": "a"}
    slow = Task(name="slow", cpu_duration_s=1000, **whole)
    quick = Task(name="quick", cpu_duration_s=11, **whole)
    assert bound(slow, quick) == pytest.approx(11)


def test_a_job_with_a_cpu_version_is_not_cut_between_card_and_cpu():
    whole = {"duration_s": 10, "residency": Residency.GPU_EXCLUSIVE}
    tasks = [Task(name=f"w{k}", cpu_duration_s=18, **whole) for k in range(3)]
    assert bound(*tasks) == pytest.approx(18)


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(["fallback", "pipelines fallback"]), st.integers(0, 10_000))
def test_no_choice_of_cpu_jobs_gets_below_the_bound(kind, seed):
    workload = KINDS[kind](MODELS, random.Random(seed))
    planned = simulate(workload, CAPACITY, LongestChainFirst(TRUTH), TRUTH, planner=Planner(TRUTH))
    assert planned.makespan_s >= lower_bound_s(workload, CAPACITY, TRUTH) * (1 - 1e-6)


def test_work_lies_between_head_and_tail():
    first, last = cpu("first", 10), cpu("last", 10, after=("x0", "x1"))
    middle = [gpu(f"x{k}", 12, after=("first",)) for k in range(2)]
    assert bound(first, *middle, last) == pytest.approx(20 + 24 / (2 / 1.5), rel=1e-3)


def test_an_empty_workload_takes_no_time():
    assert bound() == 0


@settings(max_examples=40)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 10_000), st.sampled_from(sorted(POLICIES)))
def test_no_policy_gets_below_the_bound_and_every_task_ends(kind, seed, name):
    workload = KINDS[kind](MODELS, random.Random(seed))
    played = simulate(workload, CAPACITY, POLICIES[name](TRUTH), TRUTH)
    assert {task.name for task in played.tasks} == set(workload.tasks)
    assert played.makespan_s >= lower_bound_s(workload, CAPACITY, TRUTH) * (1 - 1e-9)
    for task in played.tasks:
        for need in workload.tasks[task.name].after:
            needed = next(other for other in played.tasks if other.name == need)
            assert needed.end_s <= task.start_s + 1e-6


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_generated_workload_is_the_same_for_the_same_seed(kind):
    made = [KINDS[kind](MODELS, random.Random(seed)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


# the command

WORKLOAD = """\
- {name: split, duration_s: 4}
- {name: whole, duration_s: 60, residency: gpu_exclusive, runtime_s: 60}
- {name: e1, duration_s: 12, vram_mb: 900, model: a, after: split, runtime_s: 12}
- {name: e2, duration_s: 12, vram_mb: 900, model: a, after: [split], runtime_s: 12}
"""
BENCH = """\
hardware: {cpu_cores: 4, ram_gb: 32, vram_gb: 4, simulated: true}
interference: {pairs: [{a: a, b: a, slowdown_a: 1.5, slowdown_b: 1.5}]}
"""


@pytest.fixture
def nvinx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("NVINX_BENCH", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "w.yaml").write_text(WORKLOAD)
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    (tmp_path / "truth.json").write_text(
        '{"pairs": [{"a": "a", "b": "a", "slowdown_a": 3, "slowdown_b": 3}]}'
    )
    return lambda *words: CliRunner().invoke(main, ["simulate", *words])


def test_the_command_shows_lanes_jobs_and_the_bound(nvinx):
    done = nvinx("w.yaml")
    assert done.exit_code == 0, done.output
    assert "Takes 1 min 18 s; no policy can be below 1 min 18 s (1.00 of it)." in done.output
    assert "The card is busy for 1 min 18 s, 100% of the time, and idle for 0.0 s." in done.output
    assert "card held exclusively by whole" in " ".join(done.output.split())


def test_the_command_prints_json(nvinx):
    plain = json.loads(nvinx("w.yaml", "--json").output)
    assert plain["makespan_s"] == pytest.approx(78)
    assert plain["gpu_busy_s"] == pytest.approx(78)
    first = {job["name"]: job for job in plain["jobs"]}["e1"]
    assert first["partners"] == ["e2"]
    assert first["placement"] == "gpu_shared"
    assert first["waited_for"]["why"] == "card_held_exclusively"


def test_the_truth_may_differ_from_what_the_policy_believes(nvinx):
    plain = json.loads(nvinx("w.yaml", "--json", "--truth", "truth.json").output)
    assert plain["makespan_s"] == pytest.approx(60 + 36)
    assert plain["lower_bound_s"] == pytest.approx(60 + 24)


def test_other_policies_can_be_played(nvinx):
    assert json.loads(nvinx("w.yaml", "--json", "--policy", "serial").output)["makespan_s"] == 84
    assert nvinx("w.yaml", "--policy", "vram-fifo").exit_code == 0


def test_wrong_estimates_are_seeded(nvinx):
    one, again = (nvinx("w.yaml", "--json", "--seed", "7").output for _ in range(2))
    assert one == again


def test_the_command_draws_a_picture(nvinx, tmp_path):
    assert nvinx("w.yaml", "--picture", "lanes.png").exit_code == 0
    assert (tmp_path / "lanes.png").read_bytes().startswith(b"\x89PNG")


MISTAKES = {
    "nothing": ("", "no job in it"),
    "a word": ("jobs", "not a list"),
    "an unknown key": ("- {name: a, duration_s: 1, vram: 3}", "'vram'"),
    "no duration": ("- {name: a}", "lacks duration_s"),
    "no time at all": ("- {name: a, duration_s: 0}", "duration_s is 0"),
    "less than no input": ("- {name: a, duration_s: 1, size: -1}", "size is negative"),
    "a size in words": ("- {name: a, duration_s: 1, size: 2GB}", "size is '2GB', not a number"),
    "an unknown residency": (
        "- {name: a, duration_s: 1, residency: gpu}",
        "'gpu', which is unknown",
    ),
    "a share without a size": (
        "- {name: a, duration_s: 1, residency: gpu_shared}",
        "needs vram_mb",
    ),
    "a need that is a number": ("- {name: a, duration_s: 1, after: [3]}", "not a name"),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_workload_is_named(text, said):
    with pytest.raises(BenchError, match=said):
        parse(text, "w.yaml")


def test_a_workload_may_stand_under_jobs():
    assert list(parse("jobs:\n" + WORKLOAD, "w.yaml").tasks) == ["split", "whole", "e1", "e2"]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_the_example_of_the_pages_can_be_played(policy):
    folder = Path(__file__).parents[3] / "docs" / "examples"
    words = [str(folder / "workload.yaml"), "--bench", str(folder / "nvinx.yaml")]
    done = CliRunner().invoke(main, ["simulate", *words, "--policy", policy, "--json"])
    assert done.exit_code == 0, done.output
    plain = json.loads(done.output)
    assert len(plain["jobs"]) == 8
    assert plain["makespan_s"] >= plain["lower_bound_s"]


def part(name, share="1/3", **kw):
    return Task(name=name, duration_s=10, gpu_share=card_share.read(share), **kw)


def test_parts_of_a_card_are_played_as_they_run():
    tasks = [part(str(n)) for n in range(4)]
    played = play(*tasks, truth=Estimates())
    assert sorted(task.end_s for task in played.tasks) == [10, 10, 10, 20]
    assert lower_bound_s(Workload.of(tasks), CAPACITY, Estimates()) == pytest.approx(40 / 3)


def test_parts_are_of_each_card_also_where_sets_are_too_many_to_list():
    kinds = [part(f"k{n}", "1/20", kind=f"k{n}") for n in range(40)]
    two = Capacity((card(0), card(1, total_mib=9000)), 64, 64_000)
    assert lower_bound_s(Workload.of(kinds), two, Estimates()) == 10
    assert play(*kinds, truth=Estimates(), capacity=two).makespan_s == 10


def test_the_size_of_an_input_is_read_and_written_back():
    found = parse("- {name: a, duration_s: 1, size: 2.5}", "w")
    assert found.job("a").claim.size == 2.5
    assert parse(write(found), "w") == found


@pytest.mark.parametrize("written", ["'1/3'", "0.3333333", "33.33333%"])
def test_a_part_is_read_from_a_workload_and_written_back(written):
    found = parse(f"- {{name: a, duration_s: 1, gpu_share: {written}}}", "w")
    assert found.tasks["a"].wish is Residency.GPU_SHARED
    assert found.job("a").claim.share.hint == "1/3"
    assert '"gpu_share": "1/3"' in write(found)
    assert parse(write(found), "w") == found


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ("gpu_share: 4/3", "not a part of a card"),
        ("gpu_share: a third", "not a part of a card"),
        ("gpu_share: 0", "not a part of a card"),
        ("gpu_share: [1]", "not a part of a card"),
        ("gpu_share: 1/3, vram_mb: 9", "keep one of them"),
        ("gpu_share: 1/3, residency: gpu_exclusive", "leave one of the two out"),
    ],
)
def test_a_part_that_makes_no_sense_is_an_error_with_its_line(says, said):
    with pytest.raises(BenchError, match=said) as caught:
        parse(f"- {{name: a, duration_s: 1, {says}}}", "w")
    assert caught.value.line == 1
