"""SqliteLedger: leases and waiting requests, shared by every process of the machine."""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nvinx.errors import LeaseExistsError, LedgerVersionError, StateDirError
from nvinx.host import statedir
from nvinx.host.clock import boot_id
from nvinx.host.plain_files import demand_plain, demand_same, open_plain
from nvinx.leases import lost_ledger, rows
from nvinx.leases.rows import RowError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from nvinx.leases.ports import Lease, QueuedRequest

SCHEMA = 2
# What turns a ledger of an older schema into the next one, with all that is in it.
_MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (),  # claims know more since; what an older one leaves out has a default
}
_BROKEN = ("not a database", "malformed", "disk I/O error", "no such")
_LOOK_AGAIN_S = (0.001, 0.003)
_PRIMARY_CODE = 0xFF  # SQLite's error without its subtype
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
    id     TEXT PRIMARY KEY,
    boot   TEXT NOT NULL,
    since  REAL NOT NULL,
    heard  REAL NOT NULL,
    job    TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""
_INSERT_LEASE = (
    "INSERT INTO lease (id, boot, since, job, placement, seen) VALUES (?, ?, ?, ?, ?, ?)"
)
# As bytes, since what is in there need not be text, and never more than a row may have.
_LEASES = """
SELECT CAST(id AS BLOB), CAST(substr(job, 1, ?1) AS BLOB), CAST(substr(placement, 1, ?1) AS BLOB),
    since, CAST(substr(seen, 1, ?1) AS BLOB)
FROM lease WHERE boot = ?2 ORDER BY since, id
"""
_REQUESTS = """
SELECT CAST(id AS BLOB), CAST(substr(job, 1, ?1) AS BLOB), since, heard,
    CAST(substr(reason, 1, ?1) AS BLOB)
FROM request WHERE boot = ?2 ORDER BY since, rowid
"""


class SqliteLedger:
    """The ledger in one SQLite file. Raises LedgerVersionError and StateDirError when made.

    Rows of an earlier boot are void, since no process survives a boot. Thread-safe.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 20.0) -> None:
        self._path = path
        self._boot = boot_id()
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        with self._translated():
            self._db, self._opened = self._open()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """One short transaction that holds the machine-wide write lock from its first statement.

        It is of the file that is there now: where that is another one than before, the leases that
        live were taken over into it.
        """
        with self._lock, self._translated():
            self._begin()
            try:
                while not _is_there(self._path, self._opened):
                    self._reopen()
                    self._begin()
                self._demand_version()
                yield SqliteTransaction(self._db, self._boot, self._path.parent)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _begin(self) -> None:
        """Look again after a millisecond or two: SQLite sleeps up to 100 times as long.

        Whoever came late would then win again and again against those that sleep longest. A lock
        to queue at would be fair, but could not be given up when its holder is stopped.
        """
        end = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if (
                    error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY
                    or time.monotonic() > end
                ):
                    raise
            else:
                return
            time.sleep(random.uniform(*_LOOK_AGAIN_S))

    def _demand_version(self) -> None:
        """Raise LedgerVersionError where a newer nvinx has changed the ledger under us."""
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found != SCHEMA:
            raise LedgerVersionError(str(self._path), found, SCHEMA)

    def _open(self) -> tuple[sqlite3.Connection, os.stat_result]:
        with _alone(self._path):
            db = sqlite3.connect(
                self._path,
                timeout=self._busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                demand_same(db.execute("PRAGMA database_list").fetchone()[2], self._path)
                self._prepare(db)
                return db, self._path.lstat()
            except BaseException:
                db.close()
                raise

    def _reopen(self) -> None:
        """Leave a file that was moved, deleted or emptied."""
        self._db.execute("ROLLBACK")
        before = self._db
        self._db, self._opened = self._open()
        before.close()

    def _prepare(self, db: sqlite3.Connection) -> None:
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if found not in (0, SCHEMA, *_MIGRATIONS):
            raise LedgerVersionError(str(self._path), found, SCHEMA)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        for version in range(found or SCHEMA, SCHEMA):
            for statement in _MIGRATIONS[version]:
                db.execute(statement)
        for table in ("lease", "request"):
            db.execute(f"DELETE FROM {table} WHERE boot != ?", (self._boot,))
        if found == 0:
            self._take_over(db)
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")
        db.execute("PRAGMA busy_timeout = 0")

    def _take_over(self, db: sqlite3.Connection) -> None:
        """Enter the leases that live though this ledger is new."""
        for lease_id, job, placement, since in lost_ledger.living(self._path.parent):
            values = (lease_id, self._boot, since, job.decode(), placement.decode(), "[]")
            db.execute(_INSERT_LEASE, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            fix = "free some disk space, or name another folder with --nvinx-state-dir"
            if any(sign in str(error) for sign in _BROKEN):
                fix = f"move {self._path.name} away, as it is broken; leases that live stay"
            problem = f"the ledger cannot be used ({error})"
            raise StateDirError(str(self._path.parent), problem, fix) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One opener at a time: SQLite's busy timeout does not cover the switch to write-ahead log.

    The ledger's file is made here, with the folder's rights; SQLite gives them to its others.
    """
    lock = path.with_suffix(".lock")
    statedir.make_file(lock)
    fd = open_plain(lock)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _clear_remains(path)
        statedir.make_file(path)
        demand_plain(path)
        yield
    finally:
        os.close(fd)


def _clear_remains(path: Path) -> None:
    """Remove what belonged to a ledger that was moved, deleted or emptied.

    Who has that one open keeps it, and sees with its next transaction that another one is there.
    """
    log, index = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    if path.exists() and path.stat().st_size > 0:
        return
    if log.exists() or index.exists():
        for file in (path, log, index):
            file.unlink(missing_ok=True)


def _is_there(path: Path, opened: os.stat_result) -> bool:
    """Whether the ledger is the file that was opened, with something in it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, opened) and found.st_size > 0


class SqliteTransaction:
    """The ledger inside one transaction.

    unreadable: how many requests there are besides those that were given last. Their engines, if
    they live, write them anew.
    """

    def __init__(self, db: sqlite3.Connection, boot: str, state_dir: Path) -> None:
        self._db = db
        self._boot = boot
        self._state_dir = state_dir
        self.unreadable = 0

    def leases(self) -> tuple[Lease, ...]:
        found = self._db.execute(_LEASES, (rows.LONGEST + 1, self._boot))
        return tuple(rows.lease(*row) for row in found)

    def requests(self, but: Collection[str] = ()) -> tuple[QueuedRequest, ...]:
        left_out = {request_id.encode(errors="surrogateescape") for request_id in but}
        found = self._db.execute(_REQUESTS, (rows.LONGEST + 1, self._boot))
        requests, wanted = [], [row for row in found if row[0] not in left_out]
        for row in wanted:
            with suppress(RowError):
                requests.append(rows.request(*row))
        self.unreadable = len(wanted) - len(requests)
        return tuple(requests)

    def hold(self, lease: Lease) -> None:
        self._db.execute("DELETE FROM lease WHERE id = ? AND boot != ?", (lease.id, self._boot))
        if self._db.execute("SELECT 1 FROM lease WHERE id = ?", (lease.id,)).fetchone():
            raise LeaseExistsError(lease.id)
        self._db.execute(
            _INSERT_LEASE,
            (
                lease.id,
                self._boot,
                lease.since,
                rows.job_text(lease.job),
                rows.placement_text(lease.placement),
                rows.seen_text(lease.seen),
            ),
        )
        lost_ledger.write(self._state_dir, lease)

    def note(self, lease: Lease) -> None:
        self._db.execute(
            "UPDATE lease SET seen = ? WHERE id = CAST(? AS TEXT)",
            (rows.seen_text(lease.seen), _raw(lease.id)),
        )

    def drop(self, lease_id: str) -> None:
        self._db.execute("DELETE FROM lease WHERE id = CAST(? AS TEXT)", (_raw(lease_id),))

    def enqueue(self, request: QueuedRequest) -> None:
        self._db.execute(
            "INSERT INTO request (id, boot, since, heard, job, reason) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET since = excluded.since, heard = excluded.heard,"
            " job = excluded.job, reason = excluded.reason",
            (
                request.id,
                self._boot,
                request.since,
                request.heartbeat_at,
                rows.job_text(request.job),
                rows.reason_text(request.reason),
            ),
        )

    def dequeue(self, request_id: str) -> None:
        self._db.execute("DELETE FROM request WHERE id = CAST(? AS TEXT)", (_raw(request_id),))


def _raw(row_id: str) -> bytes:
    """An id as it is written, which need not be text."""
    return row_id.encode(errors="surrogateescape")
