"""One suite, every Ledger: the fake obeys the same contract as the real one."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from builders import job, lease, shared_claim, shared_job
from waiting import GIVE_UP_S

from nvinx.errors import LeaseExistsError, LedgerVersionError, StateDirError
from nvinx.leases.ledger import SCHEMA, SqliteLedger
from nvinx.leases.ports import QueuedRequest
from nvinx.reasons import Reason, Why
from nvinx.testing import MemoryLedger


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request, tmp_path):
    if request.param == "memory":
        yield MemoryLedger()
    else:
        real = SqliteLedger(tmp_path / "ledger.db")
        yield real
        real.close()


def asked(job_id, **claim):
    return job(job_id, shared_claim(**claim), name=f"rule[{job_id}]", engine="engine-1")


def held(job_id, since=1.0):
    return lease(asked(job_id), since, ram_mib=10)


def request(job_id, since=1.0, heartbeat_at=1.0):
    return QueuedRequest(
        asked(job_id, max_slowdown=1.5, runtime_s=60.0),
        since,
        heartbeat_at,
        Reason("x", Why.NOT_ENOUGH_VRAM, 9, 3, ("a", "b")),
    )


def test_what_is_written_is_read_back_whole(ledger):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
        entries.enqueue(request("b"))
    with ledger.transaction() as entries:
        assert entries.leases() == (held("a"),)
        assert entries.requests() == (request("b"),)


def test_leases_and_requests_come_oldest_first(ledger):
    with ledger.transaction() as entries:
        for job_id, since in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
            entries.hold(held(job_id, since))
            entries.enqueue(request(job_id, since))
        assert [x.id for x in entries.leases()] == ["a", "b", "c"]
        assert [x.id for x in entries.requests()] == ["a", "b", "c"]


def test_an_error_inside_a_turn_undoes_all_of_it(ledger):
    def interrupted():
        with ledger.transaction() as entries:
            entries.hold(held("a"))
            entries.enqueue(request("b"))
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        interrupted()
    with ledger.transaction() as entries:
        assert entries.leases() == ()
        assert entries.requests() == ()


def test_holding_twice_is_an_error_and_changes_nothing(ledger):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
    with pytest.raises(LeaseExistsError), ledger.transaction() as entries:
        entries.hold(held("a", since=9.0))
    with ledger.transaction() as entries:
        assert entries.leases() == (held("a"),)


def test_dropping_and_taking_back_twice_is_fine(ledger):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
        entries.enqueue(request("b"))
        for _ in range(2):
            entries.drop("a")
            entries.dequeue("b")
        assert entries.leases() == ()
        assert entries.requests() == ()


def test_asking_again_keeps_the_place_in_the_queue(ledger):
    with ledger.transaction() as entries:
        entries.enqueue(request("b", since=1.0, heartbeat_at=1.0))
        entries.enqueue(request("b", since=1.0, heartbeat_at=7.0))
        (found,) = entries.requests()
    assert (found.since, found.heartbeat_at) == (1.0, 7.0)


def test_gpu_processes_seen_of_a_lease_are_remembered(ledger):
    seen = replace(held("a"), seen=((12, 345),))
    with ledger.transaction() as entries:
        entries.hold(held("a"))
        entries.note(seen)
        entries.note(held("gone"))
        assert entries.leases() == (seen,)


def test_a_ledger_of_another_version_is_left_as_it_is(tmp_path):
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE treasure (x)")
        db.execute("PRAGMA user_version = 999")
    db.close()
    before = path.read_bytes()

    with pytest.raises(LedgerVersionError) as caught:
        SqliteLedger(path)

    assert (caught.value.found, caught.value.expected) == (999, SCHEMA)
    assert path.read_bytes() == before


def test_an_engine_whose_ledger_a_newer_nvinx_took_over_is_refused(tmp_path):
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()
    with pytest.raises(LedgerVersionError), ledger.transaction() as entries:
        entries.hold(held("a"))
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        assert db.execute("SELECT count(*) FROM lease").fetchone() == (0,)
    db.close()


def test_a_file_that_is_no_ledger_is_a_clear_error(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("these are my notes, not a database at all. " * 50)

    with pytest.raises(StateDirError, match=r"move ledger\.db away"):
        SqliteLedger(path)

    assert path.read_text().startswith("these are my notes")


def test_leases_of_an_earlier_boot_are_void(tmp_path):
    path = tmp_path / "ledger.db"
    old = SqliteLedger(path)
    with old.transaction() as entries:
        entries.hold(held("a"))
    old.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE lease SET boot = 'another'")
    db.close()

    new = SqliteLedger(path)
    with new.transaction() as entries:
        assert entries.leases() == ()
        entries.hold(held("a"))
    new.close()


OPENERS = """
import multiprocessing, sys, time
from pathlib import Path
from nvinx.leases.ledger import SqliteLedger

def open_all(begin, folder):
    for number in range(40):
        while time.monotonic() < begin + number * 0.03:
            pass
        SqliteLedger(Path(folder, f"{number}.db")).close()

context = multiprocessing.get_context("fork")
begin = time.monotonic() + 0.2
crowd = [context.Process(target=open_all, args=(begin, sys.argv[1])) for _ in range(2)]
[p.start() for p in crowd]
[p.join() for p in crowd]
sys.exit(any(p.exitcode for p in crowd))
"""


def test_engines_that_start_together_may_make_the_ledger_together(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OPENERS, tmp_path],
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_ledger_of_an_older_nvinx_keeps_its_leases(tmp_path):
    """Jobs were written without what claims know since."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    with ledger.transaction() as entries:
        entries.hold(held("a"))
    ledger.close()
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT job FROM lease").fetchone()
        older = json.loads(text)
        for key in ("kind", "chain_s", "cpu_runtime_s"):
            del older["claim"][key]
        db.execute("UPDATE lease SET job = ?", (json.dumps(older),))
        db.execute("PRAGMA user_version = 1")
    db.close()
    ledger = SqliteLedger(path)
    with ledger.transaction() as entries:
        assert entries.leases() == (held("a"),)
    ledger.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    db.close()


@pytest.mark.parametrize("wrong", [{"priority": 0.5}, {"chain_s": float("inf")}, {"cores": True}])
def test_what_could_not_be_read_back_is_never_written(tmp_path, wrong):
    ledger = SqliteLedger(tmp_path / "ledger.db")
    asks = QueuedRequest(shared_job("a", **wrong), 1.0, 1.0)
    with pytest.raises(ValueError, match=next(iter(wrong))), ledger.transaction() as entries:
        entries.enqueue(asks)
    with ledger.transaction() as entries:
        assert entries.requests() == ()
    ledger.close()


def test_requests_can_be_left_out_by_their_ids(ledger):
    with ledger.transaction() as entries:
        for job_id in ("a", "b", "c"):
            entries.enqueue(request(job_id))
        assert [r.id for r in entries.requests(but={"b", "nobody"})] == ["a", "c"]
