"""The ledger's tables, and how one of an earlier schema becomes one of this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import LedgerVersionError
from nvinx.leases import lost_ledger

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

SCHEMA = 5
_TABLES = """
CREATE TABLE IF NOT EXISTS lease (
    id        TEXT PRIMARY KEY,
    boot      TEXT NOT NULL,
    since     REAL NOT NULL,
    job       TEXT NOT NULL,
    placement TEXT NOT NULL,
    seen      TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS request (
    id       TEXT PRIMARY KEY,
    boot     TEXT NOT NULL,
    engine   TEXT NOT NULL,
    priority INTEGER NOT NULL,
    place    REAL NOT NULL,
    since    REAL NOT NULL,
    alone    INTEGER NOT NULL,
    stands   INTEGER NOT NULL,
    job      TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS request_line ON request (stands, priority DESC, place);
CREATE INDEX IF NOT EXISTS request_alone ON request (stands, alone, since);
CREATE INDEX IF NOT EXISTS request_engine ON request (engine);
CREATE TABLE IF NOT EXISTS engine (
    id       TEXT PRIMARY KEY,
    boot     TEXT NOT NULL,
    waiting  INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    answered REAL NOT NULL,
    asked    REAL NOT NULL DEFAULT 0,
    asked_by TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS question (
    name  TEXT PRIMARY KEY,
    boot  TEXT NOT NULL,
    asked REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS change (number INTEGER NOT NULL) STRICT;
"""
# What is known of a request follows from its job.
_REQUESTS_OF_BEFORE = """
ALTER TABLE request RENAME TO request_before;
{tables}
INSERT INTO request
    SELECT id, boot, json_extract(job, '$.engine'),
        coalesce(json_extract(job, '$.claim.priority'), 0),
        since - 4 * coalesce(json_extract(job, '$.claim.chain_s'), 0), since,
        json_extract(job, '$.claim.residency') = 'gpu_exclusive', 1, job, reason
    FROM request_before;
INSERT INTO engine (id, boot, waiting, seen, answered)
    SELECT json_extract(job, '$.engine'), boot, count(*), -1, max(heard)
    FROM request_before GROUP BY 1, 2;
DROP TABLE request_before;
"""
# What turns a ledger of an older schema into the next one, with all that is in it.
_MIGRATIONS: dict[int, str] = {
    1: "",  # claims know more since; what an older one leaves out has a default
    2: _REQUESTS_OF_BEFORE.format(tables=_TABLES),
    3: "",  # jobs hold several cards since, of which an older nvinx would count the first alone
    4: "",  # jobs may shrink, or be suspended, since, which an older nvinx would miscount
}
INSERT_LEASE = "INSERT INTO lease (id, boot, since, job, placement, seen) VALUES (?, ?, ?, ?, ?, ?)"
_TABLES_WITH_ROWS = ("lease", "request", "engine", "question")


def is_ready(db: sqlite3.Connection, boot: str) -> bool:
    """Whether nothing is to be prepared: all is there, and nothing of an earlier boot."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found != SCHEMA:
        return False
    stale = "SELECT 1 FROM {0} WHERE boot != ? LIMIT 1"
    return not any(
        db.execute(stale.format(table), (boot,)).fetchone() for table in _TABLES_WITH_ROWS
    )


def prepare(db: sqlite3.Connection, path: Path, boot: str) -> None:
    """Make the tables, or bring them up to date; rows of an earlier boot go.

    Raises LedgerVersionError for a ledger of a later schema.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found not in (0, SCHEMA, *_MIGRATIONS):
        raise LedgerVersionError(str(path), found, SCHEMA)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    for version in range(found or SCHEMA, SCHEMA):
        _execute(db, _MIGRATIONS[version])
    if found != SCHEMA:
        _execute(db, _TABLES)
    for table in _TABLES_WITH_ROWS:
        db.execute(f"DELETE FROM {table} WHERE boot != ?", (boot,))
    if found == 0:
        _take_over(db, path, boot)
    if found != SCHEMA and db.execute("SELECT 1 FROM change").fetchone() is None:
        db.execute("INSERT INTO change VALUES (0)")
    db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _take_over(db: sqlite3.Connection, path: Path, boot: str) -> None:
    """Enter the leases that live though this ledger is new."""
    for copy in lost_ledger.living(path.parent):
        columns = copy.id, boot, copy.since, copy.job.decode(), copy.placement.decode(), "[]"
        db.execute(f"{INSERT_LEASE} ON CONFLICT DO NOTHING", columns)


def _execute(db: sqlite3.Connection, statements: str) -> None:
    """One by one, within the transaction that is under way."""
    for statement in statements.split(";"):
        db.execute(statement)
