"""`nvinx run --preemptible suspend`: off the card for an urgent command, and then on from there."""

from __future__ import annotations

import json
import signal

import pytest
from cuda_stand_in import CudaStandIn, is_stopped, program
from waiting import GIVE_UP_S, eventually

LONG = ("run", "--preemptible", "suspend", "--name", "long")
URGENT = ("run", "--urgent", "--name", "urgent")


@pytest.fixture
def cuda(bench):
    folder = bench.folder / "cuda"
    folder.mkdir()
    made = CudaStandIn(folder)
    bench.environ |= made.environ()
    return made


def _start(bench, *options, script=None):
    """The long command once it uses the card, and its pid."""
    words = (*LONG, *options, "--", "bash", "-c", program() if script is None else script)
    process = bench.start(*words)
    assert eventually((bench.folder / "pids").exists)
    return process, _pid(bench)


def _pid(bench):
    return int(bench.folder.joinpath("pids").read_text().split()[-1])


def _finish(bench, long):
    bench.write("finish", "")
    _, err = long.communicate(timeout=GIVE_UP_S)
    return err


def _left_suspended(bench):
    leases = json.loads(bench.run("status", "--json").stdout)["leases"]
    return [each["id"] for each in leases if each["left_suspended"]]


def test_it_leaves_the_card_stands_still_and_goes_on_from_there(bench, cuda):
    long, pid = _start(bench)
    look = f"cut -d' ' -f3 /proc/{pid}/stat; nvinx status; nvinx top --once"
    urgent = bench.run(*URGENT, "--", "sh", "-c", look)
    assert urgent.returncode == 0, urgent.stderr
    state, *status = urgent.stdout.splitlines()
    assert state == "T"
    assert cuda.calls()[:2] == ["lock", "checkpoint"]
    assert "Suspended, and off their cards:" in status
    assert "Suspended, and off their cards" in status
    assert "up to 4.00 GB in RAM" in urgent.stdout

    assert eventually(lambda: cuda.calls() == ["lock", "checkpoint", "restore", "unlock"])
    err = _finish(bench, long)
    assert long.returncode == 7
    assert bench.folder.joinpath("pids").read_text().split() == [str(pid)]
    assert "long is suspended (experimental), to give up its card to urgent" in err
    assert "long is off its card, which is free for urgent" in err
    assert "long has its card again, and goes on" in err
    assert not cuda.is_overbooked
    assert bench.held() == set()


def test_it_does_not_come_back_before_it_has_room(bench, cuda):
    long, pid = _start(bench)
    urgent = bench.start(*URGENT, "--", "bash", "-c", program().replace("finish", "urgent-done"))
    assert eventually(lambda: is_stopped(pid))
    assert eventually(lambda: len(bench.folder.joinpath("pids").read_text().split()) == 2)
    other = bench.run("run", "--give-up", "1", "--", "true")
    assert other.returncode == 75
    assert cuda.calls() == ["lock", "checkpoint"]
    bench.write("urgent-done", "")
    assert urgent.wait(timeout=GIVE_UP_S) == 7
    _finish(bench, long)
    assert long.returncode == 7
    assert not cuda.is_overbooked


@pytest.mark.parametrize("call", ["lock", "checkpoint"])
def test_where_the_driver_refuses_it_keeps_its_card_and_its_kind_is_not_tried_again(
    bench, cuda, call
):
    cuda.let("refuses", call)
    long, pid = _start(bench)
    urgent = bench.start(*URGENT, "--", "true")
    assert eventually((bench.state / "not-suspended.jsonl").exists)
    assert eventually(lambda: not is_stopped(pid))
    assert cuda.folder.joinpath(str(pid)).read_text().split()[0] == "RUNNING"
    err = _finish(bench, long)
    assert long.returncode == 7
    assert "long cannot be suspended" in err
    assert "managed memory (UVM)" in err
    assert "so it keeps its card; no job of long is suspended again" in err
    assert urgent.wait(timeout=GIVE_UP_S) == 0

    cuda.let("refuses")
    again = bench.run(*LONG, "--", "true")
    assert again.returncode == 0
    assert "it keeps its card: it failed before" in again.stderr


def test_one_that_cannot_come_back_begins_anew(bench, cuda):
    cuda.let("refuses", "restore")
    long, pid = _start(bench)
    assert bench.run(*URGENT, "--", "true").returncode == 0
    assert eventually(lambda: _pid(bench) != pid)
    err = _finish(bench, long)
    assert long.returncode == 7
    assert "so it begins anew" in err


def test_it_is_not_suspended_where_the_ram_for_it_is_not_there(bench, cuda):
    bench.write(
        "nvinx.yaml",
        "hardware: {cpu_cores: 4, ram_gb: 3, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n",
    )
    long, _pid_of_it = _start(bench)
    urgent = bench.run(*URGENT, "--give-up", "2", "--", "true")
    assert urgent.returncode == 75
    assert "suspending long takes 4.00 GB of RAM, 3.00 GB free" in urgent.stderr
    assert cuda.calls() == []
    _finish(bench, long)
    assert long.returncode == 7


@pytest.mark.parametrize(
    ("told", "why", "fix"),
    [
        ("12070", "the NVIDIA driver is too old to suspend (CUDA 12.7", "update the driver to 570"),
        (None, "the package cuda-bindings, which cannot be used", "[suspend]"),
    ],
    ids=["old driver", "no package"],
)
def test_a_machine_that_cannot_says_so_and_the_command_keeps_its_card(bench, cuda, told, why, fix):
    if told is None:
        bench.environ["PYTHONPATH"] = str(bench.folder)
        bench.write("cuda/bindings/__init__.py", "")
    else:
        cuda.let("version", told)
    done = bench.run(*LONG, "--", "true")
    assert done.returncode == 0
    assert "command long: preemptible='suspend': has no effect here" in done.stderr
    assert why in done.stderr
    assert fix in done.stderr


def test_a_suspended_command_ends_when_its_user_ends_it(bench, cuda):
    long, pid = _start(bench)
    urgent = bench.start(*URGENT, "--", "bash", "-c", "while test ! -e done; do sleep 0.02; done")
    assert eventually(lambda: is_stopped(pid))
    assert eventually(lambda: bench.held() == {"long", "urgent"})
    long.terminate()
    assert long.wait(timeout=GIVE_UP_S) != 0
    assert bench.held() == {"urgent"}
    bench.write("done", "")
    assert urgent.wait(timeout=GIVE_UP_S) == 0
    assert "restore" not in cuda.calls()


def test_one_that_is_off_its_card_when_its_engine_is_killed_goes_on_by_hand(bench, cuda):
    long, pid = _start(bench)
    urgent = bench.start(*URGENT, "--", "bash", "-c", "while test ! -e done; do sleep 0.02; done")
    assert eventually(lambda: bench.held() == {"long", "urgent"} and is_stopped(pid))
    long.send_signal(signal.SIGKILL)
    long.wait(timeout=GIVE_UP_S)
    assert eventually(lambda: len(_left_suspended(bench)) == 1)
    (lease,) = _left_suspended(bench)
    assert f"nvinx resume {lease} lets it go on" in bench.run("status").stdout
    assert is_stopped(pid)

    resume = bench.start("resume", lease)
    assert eventually(lambda: "long" in bench.waits())
    assert "restore" not in cuda.calls()
    bench.write("done", "")
    assert urgent.wait(timeout=GIVE_UP_S) == 0
    _, err = resume.communicate(timeout=GIVE_UP_S)
    assert resume.returncode == 0, err
    assert cuda.calls()[-2:] == ["restore", "unlock"]
    assert not is_stopped(pid)
    assert _left_suspended(bench) == []
    assert bench.held() == {"long"}
    bench.write("finish", "")
    assert eventually(lambda: bench.held() == set())
    assert not cuda.is_overbooked


@pytest.mark.parametrize("call", ["lock", "checkpoint", "restore", "unlock"])
def test_one_whose_engine_is_killed_on_the_way_holds_its_room_and_goes_on(bench, cuda, call):
    cuda.let("waits", call)
    long, pid = _start(bench)
    urgent = bench.start(*URGENT, "--", "true")
    assert eventually(lambda: call in cuda.calls())
    long.send_signal(signal.SIGKILL)
    long.wait(timeout=GIVE_UP_S)
    cuda.let("waits")
    assert "long" in bench.held()
    (lease,) = _left_suspended(bench)
    if call in ("lock", "checkpoint"):
        assert "urgent" not in bench.held()

    done = bench.run("resume", lease)
    assert done.returncode == 0, done.stderr
    assert cuda.folder.joinpath(str(pid)).read_text().split()[0] == "RUNNING"
    assert not is_stopped(pid)
    assert _left_suspended(bench) == []
    bench.write("finish", "")
    assert urgent.wait(timeout=GIVE_UP_S) == 0
    assert eventually(lambda: bench.held() == set())


def test_one_that_was_left_suspended_ends_by_release(bench, cuda):
    long, pid = _start(bench)
    assert bench.start(*URGENT, "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"long", "urgent"} and is_stopped(pid))
    long.send_signal(signal.SIGKILL)
    long.wait(timeout=GIVE_UP_S)
    (lease,) = _left_suspended(bench)
    assert bench.run("release", "--yes", lease).returncode == 0
    assert bench.held() == {"urgent"}


def test_what_is_not_suspended_is_not_resumed(bench):
    done = bench.run("resume", "1-abc.1")
    assert done.returncode != 0
    assert "no job that was left suspended has this lease" in done.stderr
