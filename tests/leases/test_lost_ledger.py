"""A ledger that goes away while leases live is written anew from their signs of life."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from bench_folder import entries
from waiting import GIVE_UP_S, eventually

LOSSES = {
    "the ledger is deleted": "rm ledger.db*",
    "the ledger is deleted, its log stays": "rm ledger.db",
    "the ledger is moved": "mv ledger.db elsewhere",
    "the ledger is emptied": ": > ledger.db",
    "the ledger is replaced by an empty one": ": > x; mv x ledger.db",
}


def lose(bench, how):
    assert os.system(f"cd '{bench.state}' && {how}") == 0


def holder(bench, *options):
    """A command that holds a lease and has begun."""
    script = "echo up; exec sleep 3600"
    started = bench.start("run", "--name", "first", *options, "--", "bash", "-c", script)
    assert started.stdout.readline() == "up\n"
    return started


@pytest.mark.parametrize("how", LOSSES.values(), ids=LOSSES)
def test_a_lease_keeps_its_card_though(bench, how):
    first = holder(bench, "--vram", "3GB")
    before = entries(bench.state)[0]
    lose(bench, how)

    second = bench.start("run", "--vram", "2GB", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: second.poll() is not None or bench.waits() == {"second"})
    assert second.poll() is None, second.communicate()
    assert entries(bench.state)[0] == before, "with what it holds, so that others may share"
    third = bench.run("run", "--vram", "900MB", "--", "echo", "beside")
    assert third.stdout == "beside\n", third.stderr

    first.terminate()
    out, err = second.communicate(timeout=GIVE_UP_S)
    assert (second.returncode, out) == (0, "mine\n"), err
    assert entries(bench.state) == ((), ())


@pytest.mark.parametrize("how", LOSSES.values(), ids=LOSSES)
def test_one_that_waits_goes_on_to_wait_though(bench, how):
    first = holder(bench)
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    lose(bench, how)
    assert eventually(lambda: bench.waits() == {"second"})
    assert second.poll() is None
    assert bench.held() == {"first"}
    first.terminate()
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"


def test_a_folder_deleted_under_its_leases_is_refused_until_they_end(bench):
    first = holder(bench)
    lose(bench, f"rm -r '{bench.state}'")
    for _ in range(2):
        second = bench.run("run", "echo", "mine")
        assert (second.returncode, second.stdout) == (2, "")
        assert "was deleted while leases were held there, by process" in second.stderr
        assert "(sleep)" in second.stderr
    first.terminate()
    first.wait()
    done = bench.run("run", "echo", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr


def test_a_python_program_whose_folder_was_deleted_is_seen_too(bench):
    program = (
        "import nvinx, time\nwith nvinx.lease(gpu=1): print('up', flush=True); time.sleep(3600)"
    )
    holder = bench.family.start((sys.executable, "-c", program), bench.folder, bench.environment())
    assert holder.stdout.readline() == "up\n"
    lose(bench, f"rm -r '{bench.state}'")
    done = bench.run("run", "echo", "mine")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"by process {holder.pid} (python" in done.stderr


def test_a_broken_ledger_may_be_moved_away_while_a_job_runs(bench):
    first = holder(bench)
    lose(bench, "for f in ledger.db ledger.db-wal ledger.db-shm; do echo garbage > $f; done")
    done = bench.run("run", "echo", "mine")
    assert done.returncode == 2
    assert "Fix: move ledger.db away, as it is broken; leases that live stay" in done.stderr
    lose(bench, "mv ledger.db elsewhere")
    second = bench.start("run", "--name", "second", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    assert bench.held() == {"first"}
    first.send_signal(signal.SIGTERM)
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"


def test_a_lost_ledger_is_not_lost_to_whoever_only_looks(bench):
    first = holder(bench)
    lose(bench, "rm ledger.db*")
    assert "first: 4.00 GB exclusive" in bench.run("status").stdout
    first.terminate()
