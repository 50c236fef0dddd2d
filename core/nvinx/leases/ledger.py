"""SqliteLedger: leases and waiting requests, shared by every process of the machine."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nvinx.errors import LedgerVersionError, StateDirError
from nvinx.host import statedir
from nvinx.host.clock import boot_id
from nvinx.host.plain_files import demand_plain, demand_same, open_plain
from nvinx.leases.ledger_schema import SCHEMA, is_ready, prepare
from nvinx.leases.ledger_transaction import SqliteTransaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BROKEN = ("not a database", "malformed", "disk I/O error", "no such")
_LOOK_AGAIN_S = (0.001, 0.003)
_OPEN_MS = 20_000
_DURABLE_ENOUGH = "PRAGMA synchronous = NORMAL"  # no process survives a power cut
_PRIMARY_CODE = 0xFF  # SQLite's error without its subtype


class SqliteLedger:
    """The ledger in one SQLite file. Raises LedgerVersionError and StateDirError when made.

    Rows of an earlier boot are void, since no process survives a boot. Thread-safe.
    """

    def __init__(self, path: Path, *, tell_after_s: float = 20.0) -> None:
        self._path = path
        self._boot = boot_id()
        self._tell_after_s = tell_after_s
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
            yield from self._within(writes=True)

    @contextmanager
    def look(self) -> Iterator[SqliteTransaction]:
        """The ledger at one moment; nobody is kept from writing meanwhile."""
        with self._lock, self._translated():
            yield from self._within(writes=False)

    def _within(self, *, writes: bool) -> Iterator[SqliteTransaction]:
        statements = ("BEGIN IMMEDIATE",) if writes else ("BEGIN", "SELECT 1 FROM sqlite_schema")
        while not _is_there(self._path, self._opened):
            self._reopen()
        self._begin(*statements)
        try:
            while not _is_there(self._path, self._opened):
                self._db.execute("ROLLBACK")
                self._reopen()
                self._begin(*statements)
            self._demand_version()
            yield SqliteTransaction(self._db, self._boot, self._path.parent, writes=writes)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _demand_version(self) -> None:
        """Raise LedgerVersionError where a newer nvinx has changed the ledger under us."""
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found != SCHEMA:
            raise LedgerVersionError(str(self._path), found, SCHEMA)

    def _reopen(self) -> None:
        """Leave a file that was moved, deleted or emptied."""
        before = self._db
        self._db, self._opened = self._open()
        before.close()

    def _begin(self, *statements: str) -> None:
        """Begin as soon as others let us; that they are busy is told now and then, but no failure.

        SQLite itself would sleep up to 100 times as long, and whoever came late would win again and
        again against those that sleep longest. A lock to queue at would be fair, but could not be
        given up when its holder is stopped.
        """
        tell_at = time.monotonic() + self._tell_after_s
        while not self._begun(statements):
            if time.monotonic() > tell_at:
                tell_at += self._tell_after_s
                _tell_busy(self._path)
            _pause()

    def _begun(self, statements: tuple[str, ...]) -> bool:
        try:
            for statement in statements:
                self._db.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return False
        return True

    def _open(self) -> tuple[sqlite3.Connection, os.stat_result]:
        """Connect, and prepare the tables where somebody has to; most find all in place."""
        if self._path.exists():
            demand_plain(self._path)
            db = _connect(self._path)
            if _is_ready(db, self._path, self._boot):
                return db, self._path.lstat()
            db.close()
        with _alone(self._path):
            db = _connect(self._path)
            try:
                _demand_same(db, self._path)
                db.execute(f"PRAGMA busy_timeout = {_OPEN_MS}")
                prepare(db, self._path, self._boot)
                db.execute(_DURABLE_ENOUGH)
                db.execute("PRAGMA busy_timeout = 0")
                return db, self._path.lstat()
            except BaseException:
                db.close()
                raise

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


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    db.text_factory = _as_text
    return db


def _as_text(raw: bytes) -> str:
    """Whoever may write to the ledger may write anything."""
    return raw.decode(errors="surrogateescape")


def _demand_same(db: sqlite3.Connection, path: Path) -> None:
    demand_same(db.execute("PRAGMA database_list").fetchone()[2], path)


def _is_ready(db: sqlite3.Connection, path: Path, boot: str) -> bool:
    """As far as can be told: somebody may be making it just now."""
    with suppress(sqlite3.Error):
        db.execute(_DURABLE_ENOUGH)
        if is_ready(db, boot):
            _demand_same(db, path)
            return True
    return False


def _tell_busy(path: Path) -> None:
    import logging

    logging.getLogger(__name__).warning(
        "nvinx: others have kept %s busy for long; still trying", path
    )


def _pause() -> None:
    import random

    time.sleep(random.uniform(*_LOOK_AGAIN_S))


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
