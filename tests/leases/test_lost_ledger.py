"""A ledger that goes away while leases live is written anew from their signs of life."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import sqlite3
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
PAGE = 4096


def written_over(state):
    for file in state.glob("ledger.db*"):
        file.write_bytes(random.Random(file.name).randbytes(file.stat().st_size))


def pages_damaged(state):
    """All but the first page of the ledger, whose log was written into it."""
    run(state, "PRAGMA wal_checkpoint(TRUNCATE)")
    with (state / "ledger.db").open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\xff" * ((state / "ledger.db").stat().st_size - PAGE))


def cut_off(state):
    run(state, "PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(state / "ledger.db", 2 * PAGE)


def log_cut_off(state):
    os.truncate(state / "ledger.db-wal", 1000)


def of_something_else(state):
    """Tables of the same names that hold other things."""
    run(state, "DROP TABLE lease", "CREATE TABLE lease (note TEXT)")


def run(state, *statements):
    with contextlib.closing(sqlite3.connect(state / "ledger.db", timeout=GIVE_UP_S)) as db, db:
        for statement in statements:
            db.execute(statement)


BREAKAGES = {
    "all of it is written over": written_over,
    "pages are damaged": pages_damaged,
    "it is cut off": cut_off,
    "its log is cut off": log_cut_off,
    "its tables are dropped": lambda state: run(
        state, *(f"DROP TABLE {table}" for table in ("lease", "request", "engine", "change"))
    ),
    "one table is dropped": lambda state: run(state, "DROP TABLE lease"),
    "a table is another one": of_something_else,
    "its counter is lost": lambda state: run(state, "DELETE FROM change"),
    "it becomes an unmarked one": lambda state: run(state, "PRAGMA user_version = 0"),
    "a lease is lost without a trace": lambda state: run(state, "DELETE FROM lease"),
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


@pytest.mark.parametrize("how", ["rm -r '{state}'", "mv '{state}' '{state}-before'"])
def test_a_folder_that_goes_away_under_its_leases_is_refused_until_they_end(bench, how):
    first = holder(bench)
    lose(bench, how.format(state=bench.state))
    assert "(sleep)" in bench.run("status").stderr
    for _ in range(2):
        second = bench.run("run", "echo", "mine")
        assert (second.returncode, second.stdout) == (2, "")
        assert "was deleted or moved while leases were held there, by process" in second.stderr
        assert "(sleep)" in second.stderr
    first.terminate()
    first.wait()
    done = bench.run("run", "echo", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr


def python_holder(bench):
    """A program that holds a lease by its lock alone, as no marker can tell of it."""
    program = (
        "import nvinx, time\nwith nvinx.lease(gpu=1): print('up', flush=True); time.sleep(3600)"
    )
    holder = bench.family.start((sys.executable, "-c", program), bench.folder, bench.environment())
    assert holder.stdout.readline() == "up\n"
    return holder


@pytest.mark.parametrize("how", ["rm -r life", "rm life/*", "mv life elsewhere"])
def test_a_lease_whose_sign_of_life_goes_away_is_kept(bench, how):
    holder = python_holder(bench)
    lose(bench, how)
    done = bench.run("run", "--vram", "100MB", "--give-up", "0.1", "--", "echo", "mine")
    assert (done.returncode, done.stdout) == (75, ""), done.stderr
    assert len(bench.held()) == 1
    assert "its job left" not in bench.run("status").stdout
    holder.kill()
    holder.wait()
    done = bench.run("run", "echo", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr


def test_a_python_program_whose_folder_was_deleted_is_seen_too(bench):
    holder = python_holder(bench)
    lose(bench, f"rm -r '{bench.state}'")
    done = bench.run("run", "echo", "mine")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"by process {holder.pid} (python" in done.stderr


@pytest.mark.parametrize("breaks", BREAKAGES.values(), ids=BREAKAGES)
def test_a_ledger_that_breaks_under_everybody_costs_nobody_a_card(bench, breaks):
    first = holder(bench, "--vram", "3GB")
    second = bench.start("run", "--vram", "2GB", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    breaks(bench.state)

    third = bench.start("run", "--vram", "2GB", "--name", "third", "--", "echo", "also mine")
    assert eventually(lambda: bench.waits() == {"second", "third"})
    assert bench.held() == {"first"}
    beside = bench.run("run", "--vram", "900MB", "--", "echo", "beside")
    assert beside.stdout == "beside\n", beside.stderr
    assert bench.held() == {"first"}

    first.terminate()
    for process, words in ((second, "mine\n"), (third, "also mine\n")):
        out, err = process.communicate(timeout=GIVE_UP_S)
        assert (process.returncode, words in out) == (0, True), err
        assert "Traceback" not in out + (err or "")
    assert entries(bench.state) == ((), ())


def test_a_broken_ledger_is_put_aside_with_a_word(bench):
    first = holder(bench)
    written_over(bench.state)
    broken = (bench.state / "ledger.db").read_bytes()
    second = bench.run("run", "--give-up", "0.1", "--", "echo", "mine")
    assert second.returncode == 75
    told = f"{bench.state}/ledger.db cannot be read, so it was moved to ledger-broken.db"
    assert told in second.stderr
    assert (bench.state / "ledger-broken.db").read_bytes() == broken
    first.terminate()


def test_whoever_only_looks_at_a_broken_ledger_sees_the_leases_that_live(bench):
    first = holder(bench)
    written_over(bench.state)
    assert "first: 4.00 GB exclusive" in bench.run("status").stdout
    first.terminate()


def test_a_lease_that_was_let_go_is_not_taken_for_one_that_was_lost(bench):
    holder(bench, "--vram", "3GB")
    (lease,), _ = entries(bench.state)
    assert bench.run("release", "--disown", "--yes", lease.id).returncode == 0
    done = bench.run("run", "--vram", "3GB", "--", "echo", "mine")
    assert done.stdout == "mine\n", done.stderr
    assert not (bench.state / "ledger-broken.db").exists()
    assert bench.held() == set()


@pytest.mark.parametrize("name", ["notes", "x" * 190 + "+1-0a0a0a0a.1", "1-0a0a0a0a", "\x1b.1"])
def test_a_locked_file_that_is_no_leases_is_not_taken_for_a_lost_one(bench, name):
    bench.run("run", "true")
    file = bench.state / "life" / f"{name}.lock"
    file.write_text("{}")
    with file.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_SH)
        done = bench.run("run", "--", "echo", "mine")
    assert done.stdout == "mine\n", done.stderr
    assert not (bench.state / "ledger-broken.db").exists()


def test_a_lost_ledger_is_not_lost_to_whoever_only_looks(bench):
    first = holder(bench)
    lose(bench, "rm ledger.db*")
    assert "first: 4.00 GB exclusive" in bench.run("status").stdout
    first.terminate()
