"""What a job left behind keeps its lease by design: it is named, and can be ended or disowned."""

from __future__ import annotations

import json
import os
import signal

import psutil
import pytest
from bench_folder import entries
from waiting import eventually

LEAVES = "setsid sleep 3600 >/dev/null 2>&1 </dev/null & echo $!"


@pytest.fixture
def daemon(bench):
    """The pid of a process that a job left, and the lease's id."""
    done = bench.run("run", "--name", "leaves", "--", "bash", "-c", LEAVES)
    assert bench.held() == {"leaves"}
    (lease,) = entries(bench.state)[0]
    yield int(done.stdout), lease.id
    if psutil.pid_exists(int(done.stdout)):
        os.kill(int(done.stdout), signal.SIGKILL)


def test_status_names_what_a_job_left(bench, daemon):
    pid, lease_id = daemon
    said = bench.run("status").stdout
    assert f"kept by process {pid} (sleep 3600), which its job left" in said
    assert f"nvinx release {lease_id} ends it" in said
    (lease,) = json.loads(bench.run("status", "--json").stdout)["leases"]
    assert [x["pid"] for x in lease["left_behind"]] == [pid]


def test_status_names_nobody_while_the_job_runs(bench):
    bench.start("run", "--", "sleep", "3600")
    assert eventually(bench.held)
    assert "kept by" not in bench.run("status").stdout


def test_release_ends_it_and_the_lease_is_free(bench, daemon):
    pid, lease_id = daemon
    done = bench.run("release", "--yes", lease_id)
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: not psutil.pid_exists(pid))
    assert bench.held() == set()
    assert bench.run("run", "echo", "mine").stdout == "mine\n"


def test_release_asks_first(bench, daemon):
    pid, lease_id = daemon
    done = bench.run("release", lease_id)
    assert done.returncode == 1
    assert f"End process {pid} (sleep 3600)?" in done.stderr
    assert psutil.pid_exists(pid)
    assert bench.held() == {"leaves"}


def test_a_disowned_process_lives_on_without_the_lease(bench, daemon):
    pid, lease_id = daemon
    assert bench.run("release", "--yes", "--disown", lease_id).returncode == 0
    assert bench.run("run", "echo", "mine").stdout == "mine\n"
    assert psutil.pid_exists(pid)


@pytest.mark.parametrize("lease_id", ["1-00000000.1", "bin", "../x", "\x1b[2J"])
def test_a_lease_that_nobody_holds_cannot_be_released(bench, lease_id):
    assert bench.run("run", "true").returncode == 0
    done = bench.run("release", "--yes", lease_id)
    assert done.returncode == 2
    assert "there is no such lease. Fix: see the leases" in done.stderr
    assert "\x1b" not in done.stderr
