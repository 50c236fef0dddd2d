"""Programs in other PID namespaces, as in containers, with the same state folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench_folder import NVINX
from family import words
from waiting import GIVE_UP_S, eventually

from nvinx.leases import holders

CONTAINER = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")
# The command closes the lock, so that its marker is the only sign that it lives.
HIDDEN = "exec 243<&-; echo up; trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1; done"


@pytest.fixture(autouse=True)
def _needs_namespaces():
    try:
        tried = subprocess.run([*CONTAINER, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("namespaces need the program unshare")
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")


def start(bench, where, *words):
    return bench.family.start(
        (*where, *NVINX, *words), bench.folder, bench.environment(), stderr=subprocess.PIPE
    )


def hidden_job(bench, where):
    """A lease whose engine was killed, and whose command shows nothing but its marker."""
    program = f"""
import os, subprocess, time, nvinx
with nvinx.lease(gpu=1, name="hidden"):
    subprocess.Popen(["bash", "-c", {HIDDEN!r}], start_new_session=True)
    time.sleep(1)
    print("left", flush=True)
    if {bool(where)}:
        os.close(int(next(n for n in os.listdir("/proc/self/fd")
            if os.path.realpath("/proc/self/fd/" + n).endswith(".1.lock"))))
        time.sleep(3600)
    os._exit(0)
"""
    process = bench.family.start(
        (*where, sys.executable, "-c", program), bench.folder, bench.environment()
    )
    said = {process.stdout.readline().strip() for _ in range(2)}
    assert said == {"up", "left"}
    return process


@pytest.mark.parametrize("here", [(), CONTAINER], ids=["on the host", "in a container"])
def test_a_job_that_cannot_be_seen_from_a_container_keeps_its_lease(bench, here):
    hidden_job(bench, here)
    other = start(bench, CONTAINER, "run", "--give-up", "2", "--", "echo", "mine")
    out, err = other.communicate(timeout=GIVE_UP_S)
    assert (other.returncode, out) == (75, ""), err
    assert "card held exclusively by hidden" in err


def test_from_the_host_a_job_in_a_container_is_seen(bench):
    hidden_job(bench, CONTAINER)
    done = bench.run("run", "--give-up", "1", "--", "echo", "mine")
    assert done.returncode == 75, done.stderr


def test_a_job_in_a_container_that_ended_is_gone_for_the_host(bench):
    process = hidden_job(bench, CONTAINER)
    process.kill()
    process.wait()
    done = bench.run("run", "--", "echo", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr


def test_a_job_that_ended_in_another_container_is_told_and_can_be_let_go(bench):
    """Nobody sees that it did: it counts until somebody lets it go."""
    process = hidden_job(bench, CONTAINER)
    # While this is open the kernel gives the container's number to no new one, which would see it.
    with Path(f"/proc/{process.pid}/ns/pid_for_children").open():
        process.kill()
        process.wait()
        status = start(bench, CONTAINER, "status")
        said, _ = status.communicate(timeout=GIVE_UP_S)
        assert "hidden: 4.00 GB exclusive" in said
        told = r"if it has ended, nvinx release --disown (\S+)"
        (lease_id,) = re.findall(told, said)
        waits = start(bench, CONTAINER, "run", "--give-up", "0.1", "--", "echo", "mine")
        assert waits.wait(GIVE_UP_S) == 75
        let_go = start(bench, CONTAINER, "release", "--disown", "--yes", lease_id)
        _, problem = let_go.communicate(timeout=GIVE_UP_S)
        assert let_go.returncode == 0, problem
    done = start(bench, CONTAINER, "run", "--", "echo", "mine")
    assert done.communicate(timeout=GIVE_UP_S)[0] == "mine\n"


def test_a_job_whose_lock_is_held_is_known_to_live_in_any_container(bench):
    start(bench, CONTAINER, "run", "--name", "first", "--", "sleep", "3600")
    assert eventually(bench.held)
    said, _ = start(bench, CONTAINER, "status").communicate(timeout=GIVE_UP_S)
    assert "first: 4.00 GB exclusive" in said
    assert "--disown" not in said


@pytest.mark.parametrize("where", [(), CONTAINER], ids=["on the host", "in a container"])
def test_nothing_of_a_job_that_runs_is_taken_for_left_behind(bench, where):
    start(bench, where, "run", "--name", "first", "--", "sleep", "3600")
    assert eventually(bench.held)
    said = bench.run("status").stdout
    assert "first: 4.00 GB exclusive" in said
    assert "left behind" not in said.replace("\n", " ")


@pytest.mark.parametrize("where", [(), CONTAINER], ids=["on the host", "in a container"])
def test_whoever_asked_for_a_lease_is_told_from_its_job(bench, where):
    start(bench, where, "run", "--", "sleep", "3600")
    assert eventually(bench.held)
    (lease,) = json.loads(bench.run("status", "--json").stdout)["leases"]
    lease_id = lease["id"]
    assert eventually(lambda: len(holders.holders(lease_id)) > 1)
    found = {holder.command.split()[0]: holder.is_engine for holder in holders.holders(lease_id)}
    assert found.pop("sleep") is False
    assert set(found.values()) == {True}


def test_a_job_killed_in_a_container_is_gone_for_that_container(bench):
    """Only its own processes are needed to see that."""
    script = (
        "nvinx run --name killed -- bash -c 'exec 243<&-; echo $$ > pid; exec sleep 3600' & first=$!; "
        "until [ -s pid ]; do sleep 0.1; done; "
        "kill -9 $first $(cat pid); nvinx run -- echo mine"
    )
    done = bench.family.start((*CONTAINER, "bash", "-c", script), bench.folder, bench.environment())
    assert done.communicate(timeout=GIVE_UP_S)[0].splitlines()[-1] == "mine"


@pytest.mark.parametrize("where", [(), CONTAINER], ids=["on the host", "in a container"])
def test_a_container_waits_for_its_turn_as_everybody(bench, where):
    first = start(bench, where, "run", "--name", "first", "--", "sleep", "3600")
    assert eventually(bench.held)
    second = start(bench, CONTAINER, "run", "--", "echo", "mine")
    assert eventually(bench.waits)
    assert second.poll() is None
    for process in bench.family.living():
        if words(process) == ["sleep", "3600"]:
            process.terminate()
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"
    first.wait(GIVE_UP_S)


def test_what_nvinx_placed_outside_a_container_has_its_place_in_it(bench):
    inner = [*CONTAINER, *NVINX, "run", "--", "printenv", "NVINX_PLACEMENT"]
    done = bench.run("run", "--vram", "900MB", "--", *inner)
    assert (done.returncode, done.stdout) == (0, "gpu_shared\n"), done.stderr
