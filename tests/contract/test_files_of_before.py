"""What nvinx wrote before its packages were laid out by noun is read as it was meant.

`before/` holds a ledger, a history and a trace as an earlier nvinx wrote them, the ledger's boot aside.
"""

import sqlite3
from pathlib import Path

from builders import company
from msgspec.structs import replace

from nvinx.admission.job import Job, Placement
from nvinx.bench.capacity import Card
from nvinx.catalog import Residency
from nvinx.history import store
from nvinx.history.runs import PastRun
from nvinx.history.store import SqliteHistory
from nvinx.host.clock import boot_id
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.ledger_schema import SCHEMA
from nvinx.leases.ports import EngineEntry, Lease, QueuedRequest
from nvinx.reasons import Reason, Why
from nvinx.runs import read as recorded

BEFORE = Path(__file__).parent / "before"
EMBED = Job(
    "e.1",
    "embed[1]",
    Claim(
        residency=Residency.GPU_SHARED,
        vram_mib=900,
        cores=2,
        runtime_s=60.0,
        kind="embed@1",
        max_slowdown=1.5,
    ),
    "e",
)
FOLD = Job(
    "e.2",
    "fold",
    Claim(
        residency=Residency.GPU_RAM_OVERFLOW,
        vram_mib=9000,
        ram_mib=8000,
        ram_overflow=True,
        cpu_fallback=True,
        cpu_runtime_s=9.5,
        model="fold",
        priority=3,
        chain_s=12.5,
    ),
    "e",
)
SHARED = Placement(Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, "gpu-0", 900, 100)
NO_GAIN = Reason("fold", Why.NO_GAIN_FROM_SHARING, behind=("embed[1]",), factor=1.1, limit=1.2)


def made(name, folder):
    path = folder / f"{name}.db"
    with sqlite3.connect(path) as db:
        db.executescript((BEFORE / f"{name}.sql").read_text().replace("BOOT", boot_id()))
    db.close()
    return path


def test_leases_and_requests_of_before_stand(tmp_path):
    ledger = SqliteLedger(made("ledger", tmp_path))
    with ledger.transaction() as entries:
        assert entries.leases() == (Lease(EMBED, SHARED, 12.5, ((77, 1234),)),)
        assert entries.requests() == (QueuedRequest(FOLD, 13.5, NO_GAIN),)
        assert entries.engines() == {"e": EngineEntry("e", 1, -1, 14.5)}
    ledger.close()


def test_jobs_of_long_before_are_read_without_what_claims_know_since(tmp_path):
    path = made("ledger", tmp_path)
    with sqlite3.connect(path) as db:
        for key in ("kind", "runtime_s", "max_slowdown"):
            db.execute("UPDATE lease SET job = json_remove(job, '$.claim.' || ?)", (key,))
        db.execute("PRAGMA user_version = 1")
    db.close()
    claim = replace(EMBED.claim, kind="", runtime_s=None, max_slowdown=None)
    ledger = SqliteLedger(path)
    with ledger.transaction() as entries:
        assert [lease.job for lease in entries.leases()] == [replace(EMBED, claim=claim)]
    ledger.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    db.close()


def test_what_runs_of_before_taught_is_not_forgotten(tmp_path):
    assert SqliteHistory(made("history", tmp_path)).runs(["toy"]) == (
        PastRun(
            name="embed[1]",
            kind="embed@1",
            profile="m",
            residency=Residency.GPU_SHARED,
            ran_s=3.5,
            card="toy",
            company=(
                company(0.25 * 3.5, "m", "m", "fold"),
                company(0.25 * 3.5, "m", "m"),
                company(0.5 * 3.5, "m", at_end=True),
            ),
            outcome=Outcome.OUT_OF_MEMORY,
            declared_mib=859,
            peak_mib=1400,
        ),
        PastRun(
            name="trim",
            kind="trim@2",
            profile="trim@2",
            residency=Residency.CPU_ONLY,
            ran_s=1.0,
        ),
    )


def test_a_history_of_before_takes_runs_with_a_size_and_is_changed_once(tmp_path):
    path = made("history", tmp_path)
    sized = PastRun(
        name="fold",
        kind="fold@3",
        profile="fold@3",
        residency=Residency.GPU_SHARED,
        ran_s=2.0,
        card="toy",
        size=350.0,
    )
    for _ in range(2):
        SqliteHistory(path).add([sized], "w")
    runs = SqliteHistory(path).runs(["toy"])
    assert [run.size for run in runs] == [None, None, 350.0, 350.0]
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (store.SCHEMA,)
    db.close()


def test_a_trace_of_before_tells_the_same_run():
    run = recorded.read(BEFORE / "trace.jsonl")
    assert run.cards == (
        Card(id="gpu-0", index=0, name="toy", total_mib=3814, headroom_mib=476, foreign_mib=20),
    )
    embed, fold = run.jobs["e.1"], run.jobs["e.2"]
    assert (embed.where, embed.why, embed.ok, embed.peak_mib) == (
        "GPU 0 shared",
        "fits beside others; waited: cores busy",
        True,
        870,
    )
    assert (fold.where, fold.ok, fold.slowdown, fold.after) == (
        "GPU 0+? + RAM",
        False,
        1.25,
        ("e.1",),
    )
