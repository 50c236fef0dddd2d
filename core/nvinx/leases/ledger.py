"""SqliteLedger: leases and waiting requests, shared by every process of the machine."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nvinx.errors import STATE_DIR_BY, LedgerLostError, LedgerVersionError, StateDirError
from nvinx.host import locks, statedir
from nvinx.host.clock import boot_id
from nvinx.host.plain_files import NotPlainError, demand_plain, demand_same, open_plain
from nvinx.leases.broken_ledger import (
    ERRORS,
    BrokenLedgerError,
    is_breakage,
    put_aside,
)
from nvinx.leases.ledger_schema import SCHEMA, is_ready, prepare
from nvinx.leases.ledger_transaction import SqliteTransaction
from nvinx.leases.patience import Patience, is_busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRIES = 5
_DURABLE_ENOUGH = "PRAGMA synchronous = NORMAL"  # no process survives a power cut


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
        try:
            self._begin_there(statements)
            self._demand_version()
            yield SqliteTransaction(self._db, self._boot, self._path.parent, writes=writes)
            if writes:
                self._demand_there()
            self._db.execute("COMMIT")
        except BaseException:
            _roll_back(self._db)
            raise

    def _begin_there(self, statements: tuple[str, ...]) -> None:
        """Begin in the file that is there now, as soon as others let us."""
        patience = self._patience()
        while True:
            if not _is_there(self._path, self._opened):
                self._reopen()
            if not self._begun(statements):
                patience.pause()
            elif _is_there(self._path, self._opened):
                return
            else:
                _roll_back(self._db)

    def _patience(self) -> Patience:
        return Patience(self._path, self._tell_after_s)

    def _demand_there(self) -> None:
        """Raise LedgerLostError where nobody would see any more what we write.

        Leases are in their signs of life by now, so whoever made a new ledger before this looked at
        these later, and took them over.
        """
        if not _is_there(self._path, self._opened):
            raise self._lost()

    def _demand_version(self) -> None:
        """Raise LedgerVersionError where a newer nvinx has changed the ledger under us."""
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 0:
            raise BrokenLedgerError("its tables are missing")
        if found != SCHEMA:
            raise LedgerVersionError(str(self._path), found, SCHEMA)

    def _reopen(self) -> None:
        """Leave a file that was moved, deleted or emptied."""
        before = self._db
        self._db, self._opened = self._open()
        before.close()

    def _begun(self, statements: tuple[str, ...]) -> bool:
        try:
            for statement in statements:
                self._db.execute(statement)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            _roll_back(self._db)
            return False
        return True

    def _open(self) -> tuple[sqlite3.Connection, os.stat_result]:
        """Connect, and prepare the tables where somebody has to; most find all in place."""
        if os.path.lexists(self._path):
            demand_plain(self._path)
            db, opened = _connect(self._path)
            if opened is not None and _is_ready(db, self._path, self._boot):
                return db, opened
            db.close()
        for _ in range(_TRIES):
            with self._alone(), suppress(LedgerLostError):
                return self._prepared()
        raise self._lost()

    def _prepared(self) -> tuple[sqlite3.Connection, os.stat_result]:
        """With all tables; raises LedgerLostError where it is to be tried again."""
        _make(self._path)
        db, opened = _connect(self._path)
        if opened is None:
            db.close()
            raise self._lost()
        try:
            _demand_same(db, self._path)
            patience = self._patience()
            while not self._is_prepared(db, opened):
                patience.pause()
            db.execute(_DURABLE_ENOUGH)
        except BaseException as error:
            db.close()
            if not is_breakage(error):
                raise
            put_aside(self._path)
            raise self._lost() from error
        return db, opened

    def _is_prepared(self, db: sqlite3.Connection, opened: os.stat_result) -> bool:
        """False where others keep it busy; raises LedgerLostError where it was moved meanwhile."""
        found = _file(self._path)
        if found is None or not os.path.samestat(found, opened):
            raise self._lost()
        try:
            prepare(db, self._path, self._boot)
        except sqlite3.OperationalError as error:
            _roll_back(db)
            if not is_busy(error):
                raise
            return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One opener at a time: nobody else makes, prepares or puts aside a ledger meanwhile."""
        lock = self._path.with_suffix(".lock")
        statedir.make_file(lock)
        fd = open_plain(lock)
        try:
            patience = self._patience()
            while not locks.lock_alone(fd):
                patience.pause()
            yield
        finally:
            os.close(fd)

    def _put_aside(self) -> None:
        """Make room for a new ledger, unless somebody else has."""
        try:
            with self._alone():
                if _is_there(self._path, self._opened):
                    put_aside(self._path)
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (*ERRORS, OSError) as error:
            if not is_breakage(error):
                raise self._unusable(error) from error
            self._put_aside()
            raise self._lost() from error

    def _lost(self) -> LedgerLostError:
        return LedgerLostError(str(self._path.parent))

    def _unusable(self, error: Exception) -> StateDirError:
        if isinstance(error, NotPlainError):
            problem = f"{error.filename} is not a regular file"
            fix = "move it away; nvinx makes a new one"
            return StateDirError(str(self._path.parent), problem, fix)
        problem = f"the ledger cannot be used ({error})"
        fix = (
            f"check its permissions and its free space, or name another folder with {STATE_DIR_BY}"
        )
        return StateDirError(str(self._path.parent), problem, fix)


def _connect(path: Path) -> tuple[sqlite3.Connection, os.stat_result | None]:
    """A connection, and to which file; None where another one took its place meanwhile."""
    before = _file(path)
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    db.text_factory = _as_text
    after = _file(path)
    is_same = before is not None and after is not None and os.path.samestat(before, after)
    return db, after if is_same else None


def _file(path: Path) -> os.stat_result | None:
    with suppress(FileNotFoundError):
        return path.lstat()
    return None


def _as_text(raw: bytes) -> str:
    """Whoever may write to the ledger may write anything."""
    return raw.decode(errors="surrogateescape")


def _demand_same(db: sqlite3.Connection, path: Path) -> None:
    demand_same(db.execute("PRAGMA database_list").fetchone()[2], path)


def _roll_back(db: sqlite3.Connection) -> None:
    with suppress(*ERRORS):  # a file that is broken may not even allow that
        if db.in_transaction:
            db.execute("ROLLBACK")


def _is_ready(db: sqlite3.Connection, path: Path, boot: str) -> bool:
    """As far as can be told: somebody may be making it just now."""
    with suppress(*ERRORS):
        db.execute(_DURABLE_ENOUGH)
        if is_ready(db, boot):
            _demand_same(db, path)
            return True
    return False


def _make(path: Path) -> None:
    """Make the file, if it is not there, with the folder's rights; SQLite gives them to its others.

    Raises OSError.
    """
    _clear_remains(path)
    statedir.make_file(path)
    demand_plain(path)


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
    found = _file(path)
    return found is not None and os.path.samestat(found, opened) and found.st_size > 0
