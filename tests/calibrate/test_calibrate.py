"""`nvinx calibrate` on real processes that share one CPU core."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from waiting import GIVE_UP_S

from nvinx.interference import load_slowdown_model

NVINX = [sys.executable, "-c", "from nvinx.cli import main; main()", "calibrate"]
SPIN = "for i in {1..5000}; do :; done"
NAP = "sleep 0.03"
CORE = min(os.sched_getaffinity(0))
ONE_AT_A_TIME = "flock card sleep 0.08"  # two of these take twice as long, however busy the machine
ATTEMPTS = 8


@pytest.fixture
def environ(tmp_path):
    names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME")
    return {
        **os.environ,
        **{name: str(tmp_path / name) for name in names},
        "COLUMNS": "100",
        "PYTHONPATH": str(tmp_path),
        "NVINX_BENCH": "",
    }


@pytest.fixture
def calibrate(tmp_path, environ):
    def run(*words, seconds="0.3"):
        fast = ("--cpu-core", str(CORE), "--seconds", seconds, "--warm-up", "0.1")
        return subprocess.run(
            [*NVINX, *fast, "--output", "out", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=GIVE_UP_S,
            check=False,
        )

    return run


def workers(folder):
    """Processes of a calibration that runs, or was left, in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "nvinx.calibration.worker" in line and process.is_running():
            try:
                if Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
    return found


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def results(tmp_path):
    path = tmp_path / "out" / "measurements.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.alone
def test_two_that_run_one_at_a_time_take_twice_as_long_and_an_idle_one_disturbs_nobody(
    calibrate, tmp_path
):
    a, b = f"a={ONE_AT_A_TIME}", f"b={ONE_AT_A_TIME}"
    for _ in range(ATTEMPTS):  # a program may start late
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = calibrate("--command", a, "--command", b, "--command", f"nap={NAP}", seconds="1")
        assert done.returncode == 0, done.stderr
        model = load_slowdown_model(tmp_path / "out" / "slowdown.json")
        twins = [model.predict(*pair).slowdown for pair in (("a", ["b"]), ("b", ["a"]))]
        if twins == pytest.approx([2.0, 2.0], rel=0.2):
            break
    assert twins == pytest.approx([2.0, 2.0], rel=0.2)
    assert model.predict("nap", ["a"]).slowdown < 1.6
    assert model.provenance.sharing == "one core"
    assert (tmp_path / "out" / "slowdown.png").read_bytes().startswith(b"\x89PNG")
    for said in ("slowed down by others", "interference: out/slowdown.json", "90 % interval"):
        assert said in done.stdout
    assert workers(tmp_path) == []


def test_the_file_it_writes_is_one_a_bench_file_can_name(calibrate, tmp_path, environ):
    done = calibrate("--command", f"a={SPIN}", "--command", f"b={NAP}", seconds="0.1")
    line = re.search(r"^interference: .*$", done.stdout, re.MULTILINE)
    assert line, done.stderr
    (tmp_path / "nvinx.yaml").write_text(line[0] + "\n")
    shown = subprocess.run(
        [*NVINX[:-1], "bench"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 models, 1 measured pairs, CPU core" in shown.stdout


def test_models_are_loaded_in_their_own_process_and_may_print(calibrate, tmp_path):
    (tmp_path / "zoo.py").write_text(
        "from nvinx.calibration import ProfileTarget\n"
        "def load():\n"
        "    print('loading')\n"
        "    return ProfileTarget('spin', lambda n: (print('x'), sum(range(n))), 20000)\n"
        "class More:\n"
        "    other = staticmethod(load)\n"
    )
    done = calibrate("--model", "zoo:load", "--model", "second=zoo:More.other", seconds="0.1")
    assert done.returncode == 0, done.stderr
    assert "load" in done.stdout
    assert (tmp_path / "out" / "load.log").read_text().startswith("loading\nx\n")
    model = load_slowdown_model(tmp_path / "out" / "slowdown.json")
    assert model.predict("load", ["second"]).source == "measured"


def test_ctrl_c_keeps_what_was_measured_and_the_same_command_goes_on(calibrate, tmp_path, environ):
    words = ["--command", f"a={SPIN}", "--command", f"b={SPIN}"]
    fast = ["--cpu-core", str(CORE), "--seconds", "0.1", "--warm-up", "0.1", "--output", "out"]
    hears_ctrl_c = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from nvinx.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hears_ctrl_c, "calibrate", *fast, *words],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: len(results(tmp_path)) >= 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 130
    assert re.search(
        r"Interrupted; [1-4] measurements are left.*repeat the command to resume", said
    )
    wait_until(lambda: workers(tmp_path) == [])
    kept = results(tmp_path)
    done = calibrate(*words, seconds="0.1")
    assert "measurements are already done" in done.stdout
    assert done.returncode == 0, done.stderr
    assert results(tmp_path)[: len(kept)] == kept
    assert len(results(tmp_path)) == 6


def test_programs_end_when_the_calibration_is_killed(calibrate, tmp_path, environ):
    fast = ["--cpu-core", str(CORE), "--seconds", "5", "--output", "out"]
    process = subprocess.Popen(
        [*NVINX, *fast, "--command", f"a={SPIN}", "--command", "b=sleep 1000"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: workers(tmp_path))
    process.kill()
    process.wait()
    wait_until(lambda: workers(tmp_path) == [])


def test_a_program_added_later_is_measured_beside_two_known_ones_only(calibrate, tmp_path):
    known = [f"{name}={SPIN}" for name in "abc"]
    first = calibrate(*(word for each in known for word in ("--command", each)), seconds="0.1")
    assert first.returncode == 0, first.stderr
    before = len(results(tmp_path))
    done = calibrate("--command", f"new={NAP}", seconds="0.1")
    assert done.returncode == 0, done.stderr
    fresh = results(tmp_path)[before:]
    assert [r["kind"] for r in fresh] == ["setting", "alone", "beside", "beside", "alone"]
    assert set(load_slowdown_model(tmp_path / "out" / "slowdown.json").traits) == {*"abc", "new"}


def test_a_pair_that_fails_together_is_left_out_and_the_rest_goes_on(calibrate, tmp_path):
    greedy = f"flock --nonblock {tmp_path}/vram sleep 0.02"  # as two that do not fit one card
    words = ["--command", f"x={greedy}", "--command", f"y={greedy}", "--command", f"c={NAP}"]
    done = calibrate(*words, seconds="0.1")
    assert "x beside y could not be measured" in " ".join(done.stdout.split()), done.stderr
    model = load_slowdown_model(tmp_path / "out" / "slowdown.json")
    assert model.predict("x", ["y"]).source == "predicted"
    assert model.predict("x", ["c"]).source == "measured"


def test_three_together_are_measured_where_that_is_asked_for(calibrate, tmp_path):
    words = [word for name in "abc" for word in ("--command", f"{name}={SPIN}")]
    assert calibrate(*words, seconds="0.1").returncode == 0
    before = len(results(tmp_path))
    done = calibrate(*words, "--triples", seconds="0.1")
    assert done.returncode == 0, done.stderr
    assert [r["kind"] for r in results(tmp_path)[before:]] == ["crowd"]
    assert "Slowdowns of three together" in done.stdout
    model = load_slowdown_model(tmp_path / "out" / "slowdown.json")
    assert model.predict("a", ["b", "c"]).source == "measured"


REFUSED = {
    "two programs for triples": (
        ["--command", "a=true", "--command", "b=true", "--triples"],
        "three together need three programs",
    ),
    "no program": ([], "at least two"),
    "one program": (["--command", "a=true"], "at least two"),
    "a probe that is none": (
        ["--command", "a=true", "--command", "b=true", "--probe", "c"],
        "is not one of the programs. Fix: name one of a, b",
    ),
    "a program that fails alone": (
        ["--command", "a=true", "--command", "b=echo no such weights >&2; exit 3"],
        "b: RuntimeError: it ended with exit status 3; it said: no such weights",
    ),
    "a module that is not there": (
        ["--command", "a=true", "--model", "nozoo:load"],
        "load: ModuleNotFoundError: No module named 'nozoo'",
    ),
    "an attribute that is not there": (
        ["--command", "a=true", "--model", "json:nothing"],
        "nothing: AttributeError",
    ),
    "a loader that crashes the process": (
        ["--command", "a=true", "--model", "crash:load"],
        "load: its process ended; it said: Illegal instruction of mine",
    ),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_calibrated_is_one_line(calibrate, tmp_path, words, said):
    (tmp_path / "crash.py").write_text(
        "import os\ndef load():\n    os.write(2, b'Illegal instruction of mine')\n    os.abort()\n"
    )
    done = calibrate(*words, seconds="0.1")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert workers(tmp_path) == []


def test_a_core_this_process_may_not_use_is_refused(tmp_path, environ):
    words = ["--command", "a=true", "--command", "b=true", "--cpu-core", "4000"]
    done = subprocess.run(
        [*NVINX, *words], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "this process may not use it" in done.stderr


def test_a_card_that_is_not_there_is_refused(tmp_path, environ):
    words = ["--command", "a=true", "--command", "b=true", "--gpu", "7"]
    done = subprocess.run(
        [*NVINX, *words], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--gpu 7: there is no such card" in done.stderr
