"""A server of a range of VRAM uses less while another program needs the card, and nobody ends it."""

from __future__ import annotations

import os
import signal

import pytest
from bench_folder import entries
from waiting import GIVE_UP_S, eventually

SERVES = """
import pathlib, time
import nvinx
from nvinx import placement

def serve():
    say(f"begins {placement.current().vram_mb}")
    while not pathlib.Path("over").exists():
        if placement.current().budget_changed():
            say(f"now {placement.current().vram_mb}")
        time.sleep(0.02)

def say(text):
    with open("said", "a") as file:
        print(text, file=file)
"""
IN_A_COMMAND = f"{SERVES}\nserve()\n"
IN_A_BLOCK = f"{SERVES}\nwith nvinx.lease(vram_mb=(1000, 4000), name='server'):\n    serve()\n"
DEAF = "touch said; while test ! -e over; do sleep 0.02; done"
BY_SIGNAL = (
    "trap 'echo now $(cat $NVINX_BUDGET) >> said; cp $NVINX_BUDGET $NVINX_BUDGET.kept' USR1; "
    "echo begins >> said; while test ! -e over; do sleep 0.02; done"
)


def _said(bench):
    file = bench.folder / "said"
    return file.read_text().splitlines() if file.exists() else []


def _serve(bench, *command):
    process = bench.start("run", "--vram", "1-4GB", "--name", "server", "--", *command)
    assert eventually((bench.folder / "said").exists)
    return process


def _end(bench, process):
    bench.folder.joinpath("over").touch()
    return process.communicate(timeout=GIVE_UP_S)


@pytest.fixture
def server(bench):
    bench.write("server.py", IN_A_COMMAND)
    return _serve(bench, "python", "server.py")


def _held_mib(bench):
    leases, _ = entries(bench.state)
    return {lease.job.name: lease.placement.vram_mib for lease in leases}


def test_it_has_all_and_gives_back_what_another_needs_and_has_it_again(bench, server):
    assert eventually(lambda: _said(bench) == ["begins 4000"])
    other = bench.run(
        "run", "--vram", "1500MB", "--name", "other", "--", "bash", "-c", "nvinx status"
    )
    assert other.returncode == 0
    assert (
        "other waits: needs 1.50 GB of VRAM, 0.00 GB free; server is asked to use less"
        in other.stderr
    )
    assert "GPU 0 c (simulated): 4.00 GB of 4.00 GB leased" in other.stdout
    assert "may use 2.50 GB (its range is 1.00 GB to 4.00 GB)" in other.stdout
    assert eventually(lambda: _said(bench)[-1] == "now 4000")
    assert [line.partition(" ")[0] for line in _said(bench)] == ["begins", "now", "now"]
    _end(bench, server)
    assert server.returncode == 0


def test_a_block_of_a_program_shrinks_too(bench):
    bench.write("block.py", IN_A_BLOCK)
    block = bench.family.start(["python", "block.py"], bench.folder, bench.environment())
    assert eventually((bench.folder / "said").exists)
    assert bench.run("run", "--vram", "3GB", "--", "true").returncode == 0
    assert eventually(lambda: _said(bench)[-1] == "now 4000")
    _end(bench, block)
    assert block.returncode == 0
    assert bench.held() == set()


def test_a_shell_is_told_by_a_signal_and_answers_by_a_file(bench):
    server = _serve(bench, "bash", "-c", BY_SIGNAL)
    assert eventually(lambda: _said(bench) == ["begins"])
    assert bench.run("run", "--vram", "3GB", "--", "true").returncode == 0
    assert _said(bench)[1].startswith("now 1000 1")
    _end(bench, server)
    assert server.returncode == 0


def test_one_that_does_not_shrink_keeps_the_other_waiting_and_both_are_told(bench):
    server = _serve(bench, "bash", "-c", DEAF)
    other = bench.start("run", "--vram", "3GB", "--name", "other", "--", "true")
    said = "is asked to use 1.00 GB for other (its range is 1.00 GB to 4.00 GB)"
    assert eventually(lambda: said in bench.run("status").stdout)
    assert f"server runs, and {said}." in bench.run("explain", "server").stdout
    assert "server is asked to use less" in bench.run("explain", "other").stdout
    assert bench.waits() == {"other"}
    assert bench.held() == {"server"}
    assert _held_mib(bench)["server"] > 3000
    assert eventually(lambda: server.stderr.readline() == f"nvinx: server {said}\n")
    _end(bench, server)
    assert server.returncode == 0
    assert other.wait(timeout=GIVE_UP_S) == 0


def test_who_no_longer_waits_leaves_it_what_it_had(bench):
    server = _serve(bench, "bash", "-c", DEAF)
    assert bench.run("run", "--vram", "3GB", "--give-up", "1", "--", "true").returncode == 75
    assert eventually(lambda: "may use 4.00 GB" in bench.run("status").stdout)
    _end(bench, server)


def test_it_shrinks_though_what_started_it_was_killed(bench, server):
    os.kill(server.pid, signal.SIGKILL)
    server.wait(timeout=GIVE_UP_S)
    assert bench.held() == {"server"}
    assert bench.run("run", "--vram", "3GB", "--", "true").returncode == 0
    assert bench.held() == {"server"}
    bench.folder.joinpath("over").touch()
    assert eventually(lambda: bench.held() == set())


def test_what_is_killed_leaves_nothing(bench, server):
    (lease,) = entries(bench.state)[0]
    (pid,) = (p for p in _pids(lease.id) if p != server.pid)
    os.kill(pid, signal.SIGKILL)
    server.communicate(timeout=GIVE_UP_S)
    assert bench.run("run", "--vram", "4GB", "--", "true").returncode == 0
    assert list((bench.state / "life").iterdir()) == []


def _pids(token):
    from nvinx.leases.markers import Markers

    return Markers().pids({token})


def test_a_new_ledger_knows_what_it_holds_and_may_use(bench):
    server = _serve(bench, "bash", "-c", DEAF)
    other = bench.start("run", "--vram", "3GB", "--name", "other", "--", "true")
    assert eventually(lambda: "is asked to use" in bench.run("status").stdout)
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        bench.state.joinpath(name).unlink(missing_ok=True)
    assert eventually(lambda: "is asked to use" in bench.run("status").stdout)
    assert _held_mib(bench)["server"] > 3000
    _end(bench, server)
    assert other.wait(timeout=GIVE_UP_S) == 0


def test_within_it_no_more_than_its_least_is_shared_out(bench):
    script = (
        "touch said; nvinx run --vram 2GB -- true; test $? -ne 0 && nvinx run --vram 1GB -- true"
    )
    server = _serve(bench, "bash", "-c", script)
    _, err = server.communicate(timeout=GIVE_UP_S)
    assert server.returncode == 0
    assert "inside a lease of 1.00 GB" in err


def test_a_range_that_makes_no_sense_is_refused(bench):
    done = bench.run("run", "--vram", "4-1GB", "--", "true")
    assert done.returncode != 0
    assert "begins with the larger size" in done.stderr
    assert "Fix: " in done.stderr
