"""The guard alone, under bash: whatever signal comes at whatever step, nothing starts later."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
from bench_folder import NVINX
from family import words
from waiting import GIVE_UP_S, eventually

from nvinx.leases import tokens
from nvinx.leases.liveness import ProcessLiveness

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "nextflow" / "nvinx.config"
WISH = """
nvinx_mode={mode}
nvinx_unknown='{unknown}'
nvinx_wish=(
    --name task --mode "$nvinx_mode" --unknown-ext "$nvinx_unknown" --vram-gb '{vram}'
    --launch-dir "$PWD" {more}
)
"""
NO_ROOM = ["run", "--name", "holder", "--", "sleep", "3600"]


def before_script(**wish: str) -> str:
    """The text of nvinx.config as Groovy leaves it, with these wishes."""
    text = CONFIG.read_text().partition("nvinx_guard = {")[2].partition('"""')[2]
    first, _, rest = text.partition('"""')[0].replace("\\$", "$").partition("nvinx_mode=")
    rest = rest.partition("\n    )\n")[2]
    said = {"mode": "shared", "stub": "false", "vram": "0.9", "unknown": "", "more": "", **wish}
    rest = rest.replace("${workflow.stubRun}", said["stub"])
    return first + WISH.format(**said) + rest


class Wrapper:
    """A task's wrapper at the bench.

    stall: a verb of nvinx that takes two seconds longer. first: what the shell does before the guard.
    scratch: a folder below, to which the wrapper goes for the task.
    """

    def __init__(self, bench) -> None:
        self.bench = bench

    def start(
        self,
        script="touch ran; exec sleep 3600",
        stall="",
        within=(),
        first="",
        scratch="",
        **wish,
    ):
        self.bench.write("before.sh", first + before_script(**wish))
        self.bench.write("task.sh", script)
        nvinx = self.bench.write(
            "bin/nvinx", "#!/bin/bash\n" + STALLED.format(stall, shlex.join(NVINX))
        )
        nvinx.chmod(0o755)
        path = f"{nvinx.parent}:{self.bench.environment()['PATH']}"
        self.bench.environ["PATH"] = path
        words = ("bash", str(HERE / "wrapper.sh"), "before.sh", "task.sh", scratch)
        return self.bench.start(*within, *words)

    def has(self, name):
        return (self.bench.folder / name).exists()

    def status(self):
        return (self.bench.folder / ".exitcode").read_text()


STALLED = """
if [[ "$* " == "{} "* ]]; then touch stalled; sleep 2; fi
exec {} "$@"
"""


def without_flock(bench):
    """A machine without util-linux's flock(1)."""
    bench.write("bin/flock", "#!/bin/bash\nexit 127\n").chmod(0o755)


@pytest.fixture
def wrapper(bench):
    return Wrapper(bench)


@pytest.fixture
def holder(bench):
    """Somebody who has the card alone."""
    process = bench.start(*NVINX, *NO_ROOM)
    assert eventually(lambda: bench.held() == {"holder"})
    return process


@pytest.mark.parametrize("has_flock", [True, False])
def test_the_task_has_its_lease_and_its_environment(wrapper, bench, has_flock):
    if not has_flock:
        without_flock(bench)
    process = wrapper.start("env > seen; touch ran; exec sleep 3600")
    assert eventually(lambda: wrapper.has("ran"))
    seen = dict(
        line.partition("=")[::2] for line in (bench.folder / "seen").read_text().splitlines()
    )
    assert seen["NVINX_PLACEMENT"] == "gpu_shared"
    assert seen["NVINX_VRAM_MB"] == "900"
    assert bench.held() == {"task"}
    assert "left behind" not in bench.run(*NVINX, "status").stdout
    process.terminate()
    assert process.wait(GIVE_UP_S) != 0
    assert eventually(lambda: not bench.held())


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("step", ["nextflow guard", "lease acquire"])
def test_a_signal_before_the_wait_ends_it_and_nothing_starts_later(wrapper, bench, step, number):
    if step == "nextflow guard":
        without_flock(bench)
    process = wrapper.start(stall=step)
    assert eventually(lambda: wrapper.has("stalled"))
    process.send_signal(number)
    process.wait(GIVE_UP_S)
    assert eventually(lambda: not bench.family.living())
    assert not wrapper.has("ran")
    assert (bench.held(), bench.waits()) == (set(), set())
    assert number == signal.SIGKILL or wrapper.status() == "143"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_waits_ends_it_and_nothing_starts_later(wrapper, bench, holder, number):
    process = wrapper.start()
    assert eventually(lambda: bench.waits() == {"task"})
    process.send_signal(number)
    process.wait(GIVE_UP_S)
    assert eventually(lambda: bench.waits() == set())
    holder.terminate()
    assert eventually(lambda: not bench.family.living())
    assert not wrapper.has("ran")
    assert number == signal.SIGKILL or wrapper.status() == "143"


TOLD_BEFORE = "kill -TERM $$\n"
TOLD_ONCE_IT_IS_STARTED = """
set -T
trap '[[ $BASH_COMMAND != "pid=\\$!" ]] || kill -TERM $$' DEBUG
"""


@pytest.mark.parametrize("mode", ["shared", "cpu"])
@pytest.mark.parametrize("first", [TOLD_BEFORE, TOLD_ONCE_IT_IS_STARTED], ids=["before", "start"])
def test_a_signal_in_the_very_moment_of_the_start_ends_it_all(wrapper, bench, first, mode):
    process = wrapper.start("sleep 1; touch ran; exec sleep 3600", first=first, mode=mode)
    process.wait(GIVE_UP_S)
    assert wrapper.status() == "143"
    assert eventually(lambda: not bench.family.living())
    assert not wrapper.has("ran")


def test_a_signal_ends_a_task_of_the_cpu(wrapper, bench):
    process = wrapper.start(mode="cpu")
    assert eventually(lambda: wrapper.has("ran"))
    process.terminate()
    process.wait(GIVE_UP_S)
    assert eventually(lambda: not bench.family.living())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_task_runs_ends_the_task_and_its_lease(wrapper, bench, number):
    process = wrapper.start()
    assert eventually(lambda: wrapper.has("ran"))
    process.send_signal(number)
    process.wait(GIVE_UP_S)
    assert eventually(lambda: not bench.family.living())
    assert bench.held() == set()


def test_after_the_wrapper_was_killed_the_lease_stays_while_a_child_lives(wrapper, bench):
    process = wrapper.start("echo $$ > ran; exec sleep 3600")
    assert eventually(lambda: wrapper.has("ran") and (bench.folder / "ran").read_text())
    process.kill()
    process.wait(GIVE_UP_S)
    assert bench.held() == {"task"}
    os.kill(int((bench.folder / "ran").read_text()), signal.SIGKILL)
    assert eventually(lambda: not bench.held())


def test_a_child_that_closed_all_and_left_keeps_the_lease(wrapper, bench):
    process = wrapper.start(
        "setsid bash -c 'exec 0<&- 1>&- 2>&-; for fd in /proc/$$/fd/*; do eval \"exec ${fd##*/}>&-\"; done; exec sleep 3600' & touch ran"
    )
    assert process.wait(GIVE_UP_S) == 0
    assert bench.held() == {"task"}


def test_a_waiter_that_is_killed_fails_the_task(wrapper, bench, holder):
    process = wrapper.start()
    assert eventually(lambda: bench.waits() == {"task"})
    both = {p.pid: p for p in bench.family.living() if "acquire" in words(p)}
    (waiter,) = [p for p in both.values() if p.ppid() not in both]  # the other is apart
    waiter.kill()
    assert process.wait(GIVE_UP_S) == 137
    assert not wrapper.has("ran")
    assert eventually(lambda: not bench.waits())


def test_a_file_that_is_swept_away_before_it_is_locked_is_made_again(wrapper, bench):
    without_flock(bench)
    process = wrapper.start(stall="lease acquire --fd")
    assert eventually(lambda: wrapper.has("stalled"))
    (file,) = (bench.state / "life").glob("task-*.lock")
    file.unlink()
    assert eventually(lambda: wrapper.has("ran"))
    assert bench.held() == {"task"}
    process.kill()
    assert bench.held() == {"task"}


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            {"vram": "lots"},
            ("task task: ext.vram_gb='lots': this is not a number of GB. Fix: write"),
        ),
        ({"vram": "-1"}, "task task: ext.vram_gb='-1': this is not a number of GB. Fix: write"),
        ({"vram": "nan"}, "task task: ext.vram_gb='nan'"),
        ({"vram": "9"}, "needs 9.00 GB of VRAM; the largest card can give 4.00 GB"),
        ({"mode": "sharde"}, "nvinx knows no such mode. Fix: write 'shared'"),
        ({"mode": "unknown"}, "nvinx knows no such label. Fix: use nvinx_gpu_shared"),
        ({"more": "--model esn"}, "Fix: write ext.nvinx_model = 'esm'"),
        ({"more": "--accelerators 2"}, "task asks for 2 cards at once, and this bench has only 1"),
        ({"unknown": "nvinx_urgnt"}, "task task: ext.nvinx_urgnt: nvinx knows no such name"),
        ({"mode": "cpu", "unknown": "nvinx_urgnt"}, "Fix: write ext.nvinx_urgent."),
        ({"mode": "overflow", "vram": "6"}, "set memory"),
        (
            {"mode": "overflow", "vram": "6", "more": "--memory 1000000000 --disk 500000000"},
            "are missing. Fix: raise memory, or add disk for what may go to disk",
        ),
    ],
)
def test_a_wrong_wish_fails_the_task_with_one_clear_line(wrapper, wish, said):
    process = wrapper.start(**wish)
    out, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 2
    assert said in out
    assert len(out.splitlines()) == 1
    assert not wrapper.has("ran")


def test_without_nvinx_the_task_fails_with_one_clear_line(bench):
    bench.write("before.sh", before_script())
    bench.write("task.sh", "touch ran")
    tools = bench.folder / "tools"
    tools.mkdir()
    for tool in ("bash", "tee", "ps", "touch"):
        (tools / tool).symlink_to(
            f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}"
        )
    bench.environ["PATH"] = str(tools)
    done = bench.run("/bin/bash", str(HERE / "wrapper.sh"), "before.sh", "task.sh")
    assert done.returncode == 127
    assert done.stdout.count("\n") == 1
    assert "the command nvinx is not on PATH. Fix:" in done.stdout


def test_a_task_that_spills_may_use_its_memory_and_its_disk(wrapper):
    sizes = "--memory 1000000000 --disk 1500000000"
    process = wrapper.start("touch ran", mode="overflow", vram="6", more=sizes)
    out, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 0, out
    told = (wrapper.bench.folder / ".nvinx.env").read_text()
    assert '"cpu":1000000000,"disk":1500000000' in told


@pytest.mark.parametrize("wish", [{"stub": "true"}, {"mode": "cpu"}])
def test_a_stub_run_and_a_cpu_task_take_no_lease(wrapper, bench, wish):
    process = wrapper.start("touch ran", **wish)
    assert process.wait(GIVE_UP_S) == 0
    assert wrapper.has("ran")
    assert not (bench.state / "ledger.db").exists()


def test_a_pipeline_that_has_its_place_already_keeps_it(wrapper, bench):
    process = wrapper.start("echo $NVINX_JOB > ran", within=(*NVINX, "run", "--name", "around"))
    assert process.wait(GIVE_UP_S) == 0
    assert (bench.folder / "ran").read_text().endswith(".1\n"), "the lease of a task has no number"


def test_a_pipeline_that_only_says_that_it_has_a_place_asks_for_one(wrapper, bench):
    bench.environ["NVINX_JOB"] = "4242-0a0a0a0a.1"
    process = wrapper.start("echo $NVINX_JOB > ran")
    assert process.wait(GIVE_UP_S) == 0
    assert (bench.folder / "ran").read_text().startswith("task-")


def test_undeclared_vram_means_the_whole_card_and_a_model_supplies_it(wrapper, bench):
    process = wrapper.start('echo "got $NVINX_PLACEMENT"', vram="")
    assert "got gpu_exclusive" in process.communicate(timeout=GIVE_UP_S)[0]
    process = wrapper.start('echo "got $NVINX_VRAM_MB"', vram="", more="--model esm")
    assert "got 900" in process.communicate(timeout=GIVE_UP_S)[0]


AGAIN = "--cpu-fallback true --previous-exit 144 --attempt {}"


@pytest.mark.parametrize(
    ("attempt", "placed"),
    [(1, "gpu_shared 900"), (2, "gpu_shared 1350"), (3, "gpu_exclusive 3999"), (4, "cpu_only ")],
)
def test_each_try_that_ran_out_of_memory_exits_with_144_and_goes_a_step_further(
    wrapper, attempt, placed
):
    process = wrapper.start(
        f'echo "on $NVINX_PLACEMENT $NVINX_VRAM_MB."; echo "try $NVINX_ATTEMPT"; {OOM}',
        more=AGAIN.format(attempt),
    )
    out, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 144
    assert f"on {placed}." in out
    assert f"try {attempt}\n" in out


def test_a_lack_of_the_machines_own_memory_is_told_and_asks_for_no_more_vram(wrapper):
    process = wrapper.start("echo 'std::bad_alloc' >&2; exit 3")
    out, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 3
    assert "ran out of the machine's memory (RAM)" in out


def test_when_no_step_is_left_the_task_says_so(wrapper):
    process = wrapper.start(more=AGAIN.format(5))
    out, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 2
    assert "ran out of GPU memory 4 times, whatever it was given" in out


def test_other_failures_keep_their_exit_status(wrapper, bench):
    process = wrapper.start("echo out of memory, says the host >&2; exit 7")
    assert process.wait(GIVE_UP_S) == 7
    assert wrapper.status() == "7"


def test_a_lease_that_ended_leaves_no_file(wrapper, bench):
    wrapper.start("true").wait(GIVE_UP_S)
    assert eventually(lambda: not list((bench.state / "life").glob("task-*")))


OOM = "echo CUDA out of memory >&2; exit 1"


def figures(bench):
    """What stands in the task's file of figures, once it is there."""
    file = bench.folder / ".nvinx.trace"
    assert eventually(file.exists)
    first, *lines = file.read_text().splitlines()
    assert first == "nvinx.trace/1"
    return dict(line.partition("=")[::2] for line in lines)


def test_a_task_leaves_its_figures_in_its_folder(wrapper, bench):
    wrapper.start("echo 700 > $NVINX_SIMULATED_PEAK").wait(GIVE_UP_S)
    seen = figures(bench)
    assert float(seen.pop("gpu_waited_s")) >= 0
    assert float(seen.pop("gpu_held_s")) > 0
    assert seen == {
        **{"placement": "gpu_shared", "gpu": "0", "gpu_uuid": "simulated-0", "gpu_name": "c"},
        **{"vram_declared_mb": "900", "vram_peak_mb": "700", "gpu_outcome": "ok"},
    }


def test_a_task_that_waited_says_for_how_long_and_why(wrapper, bench, holder):
    process = wrapper.start("true")
    assert eventually(lambda: bench.waits() == {"task"})
    holder.terminate()
    assert process.wait(GIVE_UP_S) == 0
    seen = figures(bench)
    assert float(seen["gpu_waited_s"]) > 0
    assert "holder" in seen["gpu_waited_for"]


@pytest.mark.parametrize(
    ("script", "said"), [("true", "ok"), (OOM, "out_of_memory"), ("exit 3", "failed")]
)
@pytest.mark.parametrize("scratch", ["", "scratch"])
def test_how_a_task_ended_is_among_its_figures(wrapper, bench, script, said, scratch):
    """Wherever it ran: a scratch folder is gone when its figures are written."""
    wrapper.start(script, scratch=scratch).wait(GIVE_UP_S)
    assert figures(bench)["gpu_outcome"] == said


def test_a_task_that_is_released_ends_and_its_end_is_written_down(wrapper, bench):
    process = wrapper.start()
    assert eventually(lambda: wrapper.has("ran"))
    (lease,) = json.loads(bench.run(*NVINX, "status", "--json").stdout)["leases"]
    assert bench.run(*NVINX, "release", "--yes", lease["id"]).returncode == 0
    assert process.wait(GIVE_UP_S) != 0
    assert figures(bench)["gpu_outcome"] == "failed"


def test_a_task_that_is_killed_leaves_its_figures_and_nobody_stays(wrapper, bench):
    process = wrapper.start("touch ran; exec sleep 3600")
    assert eventually(lambda: wrapper.has("ran"))
    process.kill()
    bench.family.kill(lambda one: "acquire" in words(one))
    process.wait(GIVE_UP_S)
    assert figures(bench)["gpu_outcome"] == "failed"
    assert eventually(lambda: not bench.family.living())


def test_a_task_is_remembered_and_shown_like_a_job_of_any_run(wrapper, bench):
    began = "--run-began 2026-05-01T10:00:00.5Z --run-command 'nextflow run it'"
    for script in ("true", "exit 3"):
        wrapper.start(script, more=began).wait(GIVE_UP_S)
        figures(bench)
        bench.folder.joinpath(".nvinx.trace").unlink()
    jobs = json.loads(bench.run(*NVINX, "jobs", "--json").stdout)["jobs"]
    assert [(job["name"], job["outcome"]) for job in jobs] == [("task", "ok"), ("task", "failed")]
    assert len(list((bench.folder / ".nvinx").glob("trace*"))) == 1
    assert "task" in bench.run(*NVINX, "history").stdout
    report = bench.run(*NVINX, "report")
    assert report.returncode == 0, report.stdout
    assert "nextflow run it" in (bench.folder / "report.html").read_text()


def test_only_files_of_some_age_are_swept(bench):
    liveness = ProcessLiveness(bench.state / "life")
    young, old = (liveness.file(f"{tokens.new()}.1") for _ in range(2))
    young.touch()
    old.touch()
    os.utime(old, (1, 1))
    liveness.sweep(older_than_s=60)
    assert young.exists()
    assert not old.exists()


@pytest.fixture
def prepared(bench):
    """A lease that is held for the task in the bench's folder, by a process that this is."""
    waiting = bench.start("sleep", "3600")
    words = ("lease", "acquire", "--waiting-pid", str(waiting.pid), "--name", "prepared")
    process = bench.start(*NVINX, *words)
    assert eventually((bench.folder / ".nvinx.held").exists)
    assert bench.held() == {"prepared"}
    process.waiting = waiting
    return process


def test_a_prepared_lease_goes_from_its_holder_to_the_task(wrapper, bench, prepared):
    process = wrapper.start("echo $NVINX_PLACEMENT > ran; exec sleep 3600")
    assert eventually(lambda: wrapper.has("ran") and (bench.folder / "ran").read_text())
    assert (bench.folder / "ran").read_text() == "gpu_exclusive\n"
    assert bench.held() == {"prepared"}
    process.terminate()
    assert prepared.wait(GIVE_UP_S) == 0
    assert eventually(lambda: not bench.held())
    assert figures(bench)["gpu_outcome"] == "failed"


def test_a_task_whose_lease_has_lost_its_holder_asks_anew(wrapper, bench, prepared):
    prepared.kill()
    prepared.wait()
    assert not bench.held()
    wrapper.start()
    assert eventually(lambda: wrapper.has("ran"))
    assert bench.held() == {"task"}


def test_a_prepared_lease_is_given_back_where_there_is_no_flock(wrapper, bench, prepared):
    without_flock(bench)
    wrapper.start()
    assert eventually(lambda: wrapper.has("ran"))
    assert prepared.wait(GIVE_UP_S) == 0
    assert eventually(lambda: bench.held() == {"task"})


def test_a_prepared_lease_ends_with_the_process_that_wanted_it(bench, prepared):
    prepared.waiting.kill()
    prepared.waiting.wait()
    assert prepared.wait(GIVE_UP_S) == 0
    assert bench.held() == set()
    assert not (bench.folder / ".nvinx.held").exists()


def test_a_task_may_ask_for_a_part_of_the_card(wrapper, bench):
    script = "echo $NVINX_PLACEMENT $NVINX_VRAM_MB > ran; exec sleep 3600"
    wrapper.start(script, vram="", more="--gpu-share 1/3")
    assert eventually(lambda: wrapper.has("ran") and (bench.folder / "ran").read_text())
    assert (bench.folder / "ran").read_text() == "gpu_shared 1332\n"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"vram": "", "more": "--gpu-share 4/3"}, "ext.nvinx_gpu_share = '4/3': must be a part"),
        ({"more": "--gpu-share 1/3"}, "ext.nvinx_gpu_share = '1/3': contradicts ext.vram_gb=900"),
    ],
)
def test_a_part_that_cannot_be_is_told_in_the_words_of_the_process(wrapper, wish, said):
    out, _ = wrapper.start(**wish).communicate(timeout=GIVE_UP_S)
    assert said in out
    assert not wrapper.has("ran")


def test_a_third_that_ran_out_gets_half_at_the_next_attempt(wrapper, bench):
    more = "--gpu-share 1/3 " + AGAIN.format(2)
    wrapper.start("echo $NVINX_VRAM_MB > ran; exec sleep 3600", vram="", more=more)
    assert eventually(lambda: wrapper.has("ran") and (bench.folder / "ran").read_text())
    assert (bench.folder / "ran").read_text() == "1999\n"


def test_an_urgent_task_takes_the_card_of_a_program_that_agreed(wrapper, bench):
    words = ("run", "--preemptible", "requeue", "--name", "long", "sleep", "3600")
    long = bench.start(*NVINX, *words)
    assert eventually(lambda: bench.held() == {"long"})
    wrapper.start(more="--urgent true")
    assert eventually(lambda: wrapper.has("ran"))
    assert bench.held() == {"task"}
    long.terminate()


def test_the_configuration_hands_the_urgency_on():
    assert "--urgent '${task.ext.nvinx_urgent ? true : false}'" in CONFIG.read_text()


def test_the_configuration_hands_the_part_on():
    assert "--gpu-share '${(task.ext.nvinx_gpu_share ?: '')" in CONFIG.read_text()


TWO_CARDS = (
    "hardware:\n  cpu_cores: 8\n  ram_gb: 8\n  gpus:\n"
    "    - {name: c, vram_gb: 4, simulated: true}\n"
    "    - {name: Tesla T4, vram_gb: 6, simulated: true}\n"
)
SEEN = 'echo "$NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES $NVINX_GPU_INDEX $NVINX_MAX_MEMORY"'


@pytest.mark.parametrize(
    ("wish", "seen"),
    [
        ({}, 'gpu_shared 0,1 0,1 {"0":900000000,"1":900000000}'),
        ({"vram": ""}, 'gpu_exclusive 0,1 0,1 {"0":3999000000,"1":5999000000}'),
        ({"mode": "exclusive"}, 'gpu_exclusive 0,1 0,1 {"0":3999000000,"1":5999000000}'),
        ({"vram": "", "share": "1/2"}, 'gpu_shared 0,1 0,1 {"0":1999000000,"1":2999000000}'),
    ],
)
def test_a_task_of_two_accelerators_has_both_cards_at_once(wrapper, bench, wish, seen):
    bench.write("nvinx.yaml", TWO_CARDS)
    more = f"--accelerators 2 --gpu-share '{wish.pop('share', '')}'"
    out, _ = wrapper.start(SEEN, more=more, **wish).communicate(timeout=GIVE_UP_S)
    assert seen in out.splitlines(), out
    told = figures(bench)
    assert (told["gpu"], told["gpu_uuid"]) == ("0;1", "simulated-0;simulated-1")
    assert told["gpu_name"] == "c;Tesla T4"


def test_a_task_of_two_cards_waits_for_both_and_is_shown_like_any_job(wrapper, bench):
    bench.write("nvinx.yaml", TWO_CARDS)
    bench.start(*NVINX, "run", "--gpus", "t4", "--name", "holder", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"holder"})
    process = wrapper.start(vram="", more="--accelerators 2")
    assert eventually(lambda: bench.waits() == {"task"})
    why = bench.run(*NVINX, "explain", "task").stdout
    assert "needs 2 cards at once, 1 free beside holder" in why
    process.terminate()
    process.wait(GIVE_UP_S)
    assert eventually(lambda: not bench.waits())
    started = wrapper.start("true", vram="", more="--accelerators 1-2")
    assert started.wait(GIVE_UP_S) == 0
    (last,) = json.loads(bench.run(*NVINX, "jobs", "--json").stdout)["jobs"]
    assert (last["name"], last["outcome"]) == ("task", "ok")
    assert figures(bench)["gpu"] == "0"
    assert bench.run(*NVINX, "report").returncode == 0


def test_the_type_of_an_accelerator_chooses_among_the_cards(wrapper, bench):
    bench.write("nvinx.yaml", TWO_CARDS)
    more = "--accelerators 1 --accelerator-type "
    out, _ = wrapper.start(SEEN, more=f"{more} nvidia-tesla-t4").communicate(timeout=GIVE_UP_S)
    assert "gpu_shared 1 1" in out
    out, _ = wrapper.start(SEEN, more=f"{more} nvidia-a100").communicate(timeout=GIVE_UP_S)
    assert "asks for type: 'nvidia-a100'; there is Tesla T4, c, and any of them will do" in out
    assert "gpu_shared 0 0" in out


def test_a_task_of_no_accelerator_sees_no_card_and_is_counted_once(wrapper, bench):
    waiting = bench.start("sleep", "3600")
    asked = ("--waiting-pid", str(waiting.pid), "--name", "task", "--accelerators", "0")
    bench.start(*NVINX, "lease", "acquire", *asked)
    assert eventually((bench.folder / ".nvinx.held").exists)
    process = wrapper.start(SEEN + "; touch ran; exec sleep 3600", more="--accelerators 0")
    assert eventually(lambda: wrapper.has("ran"))
    process.kill()
    process.wait(GIVE_UP_S)
    bench.family.kill(lambda one: "acquire" in words(one))
    assert figures(bench)["placement"] == "cpu_only"
    assert eventually(lambda: not bench.family.living()), "whoever keeps the books leaves, too"
    jobs = json.loads(bench.run(*NVINX, "jobs", "--json").stdout)["jobs"]
    assert [job["outcome"] for job in jobs] == ["failed"]
