"""`nvinx run --urgent` takes the card from `nvinx run --preemptible`, which runs again afterwards."""

from __future__ import annotations

import signal

import pytest
from waiting import GIVE_UP_S, eventually

COUNTS = "echo $NVINX_PREEMPTED >> runs"
SAVES = f"""
{COUNTS}
trap 'echo saved >> saved; exit 0' USR1
if test -e saved; then exit 0; fi
echo ready > ready
while :; do sleep 0.05; done
"""
KEEPS_ON = f"{COUNTS}; test -e ready && exit 7; echo ready > ready; sleep 3600"


def _runs(bench):
    return bench.folder.joinpath("runs").read_text().split()


def _start(bench, how, script, *more):
    words = ("--preemptible", how, "--name", "long", *more)
    process = bench.start("run", *words, "--", "bash", "-c", script)
    assert eventually((bench.folder / "ready").exists)
    return process


def test_one_that_is_requeued_is_ended_and_runs_again_to_its_own_end(bench):
    long = _start(bench, "requeue", KEEPS_ON)
    urgent = bench.run("run", "--urgent", "--name", "urgent", "--", "echo", "mine")
    assert (urgent.returncode, urgent.stdout) == (0, "mine\n")
    assert "long is asked to give up the card" in urgent.stderr

    _, err = long.communicate(timeout=GIVE_UP_S)
    assert long.returncode == 7
    assert _runs(bench) == ["0", "1"]
    assert "long ends, to give up its card to urgent" in err
    assert "preempted 1 of at most 3 times" in err
    assert bench.held() == set()


def test_a_try_after_too_little_memory_knows_how_often_it_was_preempted(bench):
    runs_out = "test -e out || { touch out; echo CUDA out of memory >&2; exit 1; }"
    script = KEEPS_ON.replace("exit 7", f"{{ {runs_out}; exit 7; }}")
    long = _start(bench, "requeue", script, "--vram", "1GB", "--retry-oom")
    assert bench.run("run", "--urgent", "--", "true").returncode == 0
    assert long.wait(timeout=GIVE_UP_S) == 7
    assert _runs(bench) == ["0", "1", "1"]


def test_an_urgent_block_of_a_program_takes_the_card_too(bench):
    long = _start(bench, "requeue", KEEPS_ON)
    bench.write(
        "block.py", "import nvinx\nwith nvinx.lease(gpu=1, urgent=True):\n    print('mine')\n"
    )
    block = bench.family.start(["python", "block.py"], bench.folder, bench.environment())
    assert block.communicate(timeout=GIVE_UP_S)[0] == "mine\n"
    assert long.wait(timeout=GIVE_UP_S) == 7


def test_one_that_is_told_saves_its_state_and_goes_on_from_there(bench):
    long = _start(bench, "signal", SAVES)
    assert ", preemptible (signal:USR1@30)\n" in bench.run("status").stdout
    assert "  long: preemptible (signal:USR1@30)" in bench.run("top", "--once").stdout
    assert bench.run("run", "--urgent", "--", "true").returncode == 0
    _, err = long.communicate(timeout=GIVE_UP_S)
    assert long.returncode == 0
    assert bench.folder.joinpath("saved").read_text() == "saved\n"
    assert _runs(bench) == ["0", "1"]
    assert "long gets USR1, to end within 30 s" in err


def test_one_that_does_not_listen_for_the_signal_ends_at_once(bench):
    long = _start(bench, "signal:USR2@3000", KEEPS_ON)
    assert bench.run("run", "--urgent", "--", "true").returncode == 0
    assert long.wait(timeout=GIVE_UP_S) == 7


def test_one_that_takes_too_long_to_save_is_ended(bench):
    script = f"trap '' TERM; trap : USR1; {COUNTS}; test -e ready && exit 7; echo ready > ready; "
    long = _start(bench, "signal:@1", f"{script} while :; do sleep 0.05; done")
    assert bench.run("run", "--urgent", "--", "true").returncode == 0
    assert long.wait(timeout=GIVE_UP_S) == 7


def _ended_meanwhile(bench, how, traps):
    """The command, ended by its user once it is told to give up its card, and what it printed."""
    script = f"trap 'kill $PPID' USR1; {traps} {COUNTS}; touch ready; "
    long = _start(bench, how, f"{script} while :; do sleep 0.05; done")
    urgent = bench.start("run", "--urgent", "--", "true")
    _, err = long.communicate(timeout=GIVE_UP_S)
    assert urgent.wait(timeout=GIVE_UP_S) == 0
    return long, err


def test_one_that_its_user_ends_meanwhile_does_not_run_again(bench):
    long, _ = _ended_meanwhile(bench, "signal:@3000", "trap 'exit 4' TERM;")
    assert long.returncode == 4
    assert _runs(bench) == ["0"]


def test_one_that_its_user_ends_in_vain_is_not_looked_for_by_whom_it_was_killed(bench):
    long, err = _ended_meanwhile(bench, "signal:@5", "trap '' TERM;")
    assert long.returncode == 128 + signal.SIGKILL
    assert "was killed" not in err


def test_one_that_did_not_agree_is_left_alone(bench):
    firm = bench.start("run", "--name", "firm", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"firm"})
    urgent = bench.run("run", "--urgent", "--give-up", "2", "--", "true")
    assert urgent.returncode == 75
    assert bench.held() == {"firm"}
    firm.terminate()


@pytest.mark.parametrize("how", ["kill", "signal:KILL"])
def test_a_way_that_does_not_exist_is_refused(bench, how):
    done = bench.run("run", "--preemptible", how, "--", "true")
    assert done.returncode != 0
    assert (
        "Fix: write it like preemptible=" in done.stderr or "Fix: write preemptible=" in done.stderr
    )
