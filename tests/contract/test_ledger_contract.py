"""One suite, every Ledger: the fake obeys the same contract as the real one."""

import fcntl
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from builders import exclusive_claim, job, lease, part_claim, shared_claim, shared_job
from msgspec.structs import replace
from waiting import GIVE_UP_S, eventually

from nvinx.admission.job import Budget, Phase, Suspension
from nvinx.errors import (
    LeaseExistsError,
    LedgerLostError,
    LedgerVersionError,
    LookOnlyError,
)
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.ledger_schema import SCHEMA
from nvinx.leases.patience import is_busy
from nvinx.leases.ports import EngineEntry, QueuedRequest
from nvinx.leases.repetition import again_if_lost
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


REASON = Reason("x", Why.NOT_ENOUGH_VRAM, 9, 3, ("a", "b"))
LACKS_CORES = Reason("x", Why.NOT_ENOUGH_CORES, 2, 1)


def request(job_id, since=1.0, reason=REASON):
    return QueuedRequest(asked(job_id, max_slowdown=1.5, runtime_s=60.0), since, reason)


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


def test_what_a_lease_may_use_and_holds_is_brought_up_to_date_and_is_a_change(ledger):
    elastic = lease(asked("a", elastic_mib=3000), 1.0, vram_mib=3900, budget=Budget(3900))
    shrinking = replace(elastic, placement=elastic.placement.with_budget(900, "small", 5.0))
    with ledger.transaction() as entries:
        entries.hold(elastic)
        before = entries.change()
    with ledger.transaction() as entries:
        entries.rebudget(shrinking)
        entries.rebudget(replace(elastic, job=asked("gone")))
    with ledger.transaction() as entries:
        assert entries.leases() == (shrinking,)
        assert shrinking.placement.vram_mib == 3900
        assert shrinking.placement.budget == Budget(900, 1, "small", 5.0)
        assert entries.change() > before


def test_one_that_only_looks_changes_no_budget(ledger):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
    with pytest.raises(LookOnlyError), ledger.look() as entries:
        entries.rebudget(held("a"))


def test_a_ledger_of_before_jobs_could_shrink_is_taken_over_with_what_is_in_it(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger(path)) as old, old.transaction() as entries:
        entries.hold(held("a"))
    with closing(sqlite3.connect(path)) as db, db:
        for column, key in (("job", "$.claim.elastic_mib"), ("placement", "$.budget")):
            db.execute(f"UPDATE lease SET {column} = json_remove({column}, '{key}')")
        db.execute("PRAGMA user_version = 4")
    with closing(SqliteLedger(path)) as new, new.transaction() as entries:
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


def test_asking_again_brings_the_reason_up_to_date(ledger):
    with ledger.transaction() as entries:
        entries.enqueue(request("b"))
        entries.enqueue(request("b", reason=LACKS_CORES))
        assert entries.requests() == (request("b", reason=LACKS_CORES),)


def test_who_waits_is_read_in_the_lines_order(ledger):
    """By priority, then by age and the chain behind; those that lack cores keep nobody waiting."""
    claims = {
        "young": (9.0, {}),
        "old": (1.0, {}),
        "urgent": (20.0, {"priority": 1}),
        "chain": (8.0, {"chain_s": 2.0}),
    }
    with ledger.transaction() as entries:
        for job_id, (since, claim) in claims.items():
            entries.enqueue(QueuedRequest(asked(job_id, **claim), since))
        entries.enqueue(request("no cores", 0.0, LACKS_CORES))
        assert [r.id for r in entries.requests(most=3)] == ["urgent", "chain", "old"]
        assert "no cores" in {r.id for r in entries.requests()}
        assert entries.requests(but="engine-1") == ()


def test_the_exclusive_job_that_waited_longest_is_seen_behind_any_line(ledger):
    patient = job("patient", exclusive_claim(priority=-1), engine="two")
    with ledger.transaction() as entries:
        entries.enqueue(QueuedRequest(patient, 1.0))
        for number in range(5):
            entries.enqueue(request(f"small {number}", 2.0))
        assert "patient" in {r.id for r in entries.requests(most=2)}


def test_what_could_let_a_job_start_counts_as_a_change(ledger):
    seen = []
    for what in (
        lambda entries: entries.hold(held("a")),
        lambda entries: entries.drop("a"),
        lambda entries: entries.enqueue(request("b")),
        lambda entries: entries.dequeue("b"),
        lambda entries: entries.dequeue("b"),
    ):
        with ledger.transaction() as entries:
            before = entries.change()
            what(entries)
            seen.append(entries.change() > before)
    assert seen == [True, True, False, True, False]


def test_an_engine_answers_what_it_was_asked(ledger):
    with ledger.transaction() as entries:
        entries.ask("two", "one", 1.0)
        assert entries.engines() == {}
        entries.answer("two", 7, 2.0)
        entries.ask("two", "one", 3.0)
        entries.ask("two", "three", 4.0)
        (two,) = entries.engines({"two", "nobody"}).values()
        assert two == EngineEntry("two", 7, entries.change(), 2.0, 3.0, "one")
        assert two.owes_answer
        entries.answer("two", 6, 5.0)
        assert not entries.engines()["two"].owes_answer
        entries.enqueue(QueuedRequest(shared_job("x", engine="two"), 1.0))
        assert entries.requested_by(["x", "y"]) == {"x": "two"}
        entries.leave("two")
        assert (entries.engines(), entries.requests()) == ({}, ())


def test_a_question_is_seen_by_those_who_look_soon(ledger):
    with ledger.transaction() as entries:
        entries.question("fold[1]", 10.0)
        entries.question("fold[1]", 20.0)
        assert entries.questions(since=20.0) == ("fold[1]",)
        assert entries.questions(since=20.1) == ()


def test_a_look_reads_all_and_writes_nothing(ledger):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
        entries.enqueue(request("b"))
    with ledger.look() as entries:
        assert (entries.leases(), entries.requests()) == ((held("a"),), (request("b"),))
    for change in (
        lambda entries: entries.hold(held("c")),
        lambda entries: entries.note(held("a")),
        lambda entries: entries.drop("a"),
        lambda entries: entries.enqueue(request("c")),
        lambda entries: entries.dequeue("b"),
        lambda entries: entries.answer("one", 1, 1.0),
        lambda entries: entries.ask("one", "two", 1.0),
        lambda entries: entries.leave("one"),
    ):
        with pytest.raises(LookOnlyError), ledger.look() as entries:
            change(entries)
    with ledger.look() as entries:
        assert (entries.leases(), entries.requests()) == ((held("a"),), (request("b"),))


def test_a_look_waits_for_nobody_who_writes(tmp_path):
    one, two = SqliteLedger(tmp_path / "ledger.db"), SqliteLedger(tmp_path / "ledger.db")
    with one.transaction() as writes:
        writes.hold(held("a"))
        with two.look() as entries:
            assert entries.leases() == ()
    one.close()
    two.close()


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


def test_a_file_that_is_no_ledger_is_put_aside_as_it_is(tmp_path, caplog):
    path = tmp_path / "ledger.db"
    path.write_text("these are my notes, not a database at all. " * 50)

    with closing(SqliteLedger(path)) as ledger, ledger.transaction() as entries:
        assert entries.leases() == ()

    assert (tmp_path / "ledger-broken.db").read_text().startswith("these are my notes")
    assert "ledger.db cannot be read, so it was moved to ledger-broken.db" in caplog.text


def hold_and_lose(ledger, path):
    with ledger.transaction() as entries:
        entries.hold(held("a"))
        path.rename(path.with_name("elsewhere.db"))


def test_what_was_written_to_a_ledger_that_is_lost_does_not_count(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger(path)) as ledger:
        with pytest.raises(LedgerLostError):
            hold_and_lose(ledger, path)
        with ledger.transaction() as entries:
            assert entries.leases() == ()


def test_a_turn_that_was_lost_is_repeated_a_few_times():
    tries = []

    def lost():
        tries.append(1)
        if len(tries) < 3:
            raise LedgerLostError("folder")
        return "done"

    assert again_if_lost(lost) == "done"
    with pytest.raises(LedgerLostError, match="repeatedly"):
        again_if_lost(lambda: (_ for _ in ()).throw(LedgerLostError("folder")))


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


def kept_busy(path):
    """A connection that keeps everybody else from writing."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    return db


def stopped_opener(path):
    """The lock of whoever prepares the ledger, as one has it who is stopped meanwhile."""
    lock = path.with_suffix(".lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


@pytest.mark.parametrize("holder", [kept_busy, stopped_opener])
@pytest.mark.parametrize(
    "before", ["UPDATE lease SET boot = 'another'", f"PRAGMA user_version = {SCHEMA - 1}"]
)
def test_a_ledger_is_prepared_as_soon_as_others_let_us(tmp_path, caplog, holder, before):
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger(path)) as old, old.transaction() as entries:
        entries.hold(held("a"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(before)
    with ThreadPoolExecutor() as pool:
        with closing(holder(path)):
            opening = pool.submit(SqliteLedger, path, tell_after_s=0.05)
            eventually(lambda: caplog.messages or opening.done())
            assert "still trying" in caplog.text
            assert not opening.done()
        opening.result(GIVE_UP_S).close()


def test_a_ledger_that_is_moved_away_while_it_is_busy_is_left(tmp_path, caplog):
    path = tmp_path / "ledger.db"
    with (
        ThreadPoolExecutor() as pool,
        closing(SqliteLedger(path, tell_after_s=0.05)) as ledger,
        closing(kept_busy(path)),
    ):
        waiting = pool.submit(list_leases, ledger)
        eventually(lambda: caplog.messages)
        path.rename(tmp_path / "moved.db")
        assert waiting.result(GIVE_UP_S) == ()


def list_leases(ledger):
    with ledger.transaction() as entries:
        return entries.leases()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_PROTOCOL])
def test_what_sqlite_says_of_others_that_were_faster_is_no_failure(code):
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = code
    assert is_busy(error)


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


@pytest.mark.parametrize("wrong", [{"priority": 0.5}, {"chain_s": float("inf")}, {"cores": True}])
def test_what_could_not_be_read_back_is_never_written(tmp_path, wrong):
    ledger = SqliteLedger(tmp_path / "ledger.db")
    asks = QueuedRequest(shared_job("a", **wrong), 1.0)
    with pytest.raises(ValueError, match=next(iter(wrong))), ledger.transaction() as entries:
        entries.enqueue(asks)
    with ledger.transaction() as entries:
        assert entries.requests() == ()
    ledger.close()


def test_a_part_of_a_card_is_read_back_with_what_it_is_of_this_card(ledger):
    wanted = job("a", part_claim("2/3"), engine="engine-1")
    with ledger.transaction() as entries:
        entries.hold(lease(wanted))
        entries.enqueue(QueuedRequest(job("b", part_claim("1/2"), engine="engine-1"), 1.0, None))
    with ledger.transaction() as entries:
        (read,) = entries.leases()
        (waits,) = entries.requests()
    assert read == lease(wanted)
    assert (read.placement.share.hint, read.placement.vram_mib) == ("2/3", 2666)
    assert waits.job.claim.share.hint == "1/2"


def test_a_lease_moves_with_its_job_and_what_is_known_of_its_processes_stays(ledger):
    there = replace(held("a"), seen=((7, 70),))
    off = Suspension(Phase.OFF_CARD, "urgent", 900)
    placement = replace(there.placement, ram_mib=910, suspension=off)
    suspended = replace(there.job, suspended=placement)
    with ledger.transaction() as entries:
        entries.hold(there)
    with ledger.transaction() as entries:
        before = entries.change()
        entries.move(replace(there, job=suspended, placement=placement, since=5.0, seen=()))
        assert entries.change() > before
    with ledger.look() as entries:
        (lease_,) = entries.leases()
    assert (lease_.job, lease_.placement, lease_.since) == (suspended, placement, 5.0)
    assert (lease_.seen, lease_.problem) == (((7, 70),), None)
    assert not lease_.holds("gpu-0")


def test_a_lease_that_nobody_holds_does_not_move(ledger):
    with ledger.transaction() as entries:
        entries.move(held("a"))
        assert entries.leases() == ()
