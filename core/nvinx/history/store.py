"""SqliteHistory: how earlier jobs ran, in one file of the state folder."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from nvinx.errors import HistoryError
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT
from nvinx.host import statedir
from nvinx.host.plain_files import demand_plain, demand_same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA = 2
_WITHOUT_SIZE = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS run (
    id           INTEGER PRIMARY KEY,
    ended_at     REAL NOT NULL,
    source       TEXT NOT NULL,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    profile      TEXT NOT NULL,
    residency    TEXT NOT NULL,
    ran_s        REAL NOT NULL,
    card         TEXT,
    company      TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    declared_mib INTEGER,
    peak_mib     INTEGER,
    size         REAL
) STRICT
"""
# What is asked for by name is found without reading what is about others.
_INDICES = (
    "CREATE INDEX IF NOT EXISTS run_of_kind ON run (kind, card, id)",
    "CREATE INDEX IF NOT EXISTS run_of_profile ON run (profile, id)",
)
_ADD_SIZE = "ALTER TABLE run ADD COLUMN size REAL"
# Columns by the fields that they hold.
_COLUMNS = {
    **{name: name for name in ("name", "kind", "profile", "residency", "ran_s", "card")},
    "co_residents": "company",
    **{name: name for name in ("outcome", "declared_mib", "peak_mib", "size")},
}
_MARKS = ", ".join("?" * (2 + len(_COLUMNS)))
_NAMES = ", ".join(_COLUMNS.values())
_INSERT = f"INSERT INTO run (ended_at, source, {_NAMES}) VALUES ({_MARKS})"
_SELECT = f"SELECT ended_at, source, {_NAMES} FROM run"
OF_NAME = "WHERE kind = ? OR profile = ? ORDER BY id"
# Of each kind as many as anybody learns from, on the CPU and on each make of card.
_FORGET = f"""
DELETE FROM run WHERE kind = ?1 AND card IS ?2 AND id <= (
    SELECT id FROM run WHERE kind = ?1 AND card IS ?2 ORDER BY id DESC LIMIT 1 OFFSET {KEPT}
)
"""
MOST = 100_000  # runs in all, since rules that were changed leave their kinds behind
_FORGET_OLD = f"DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - {MOST}"


class Entry(Struct, frozen=True):
    """A run as it is kept: `source` is its workflow or program, `ended_at` seconds since 1970."""

    run: PastRun
    source: str
    ended_at: float


class SqliteHistory:
    """Runs of this user's jobs, the last few of each kind. Thread-safe: each call connects anew.

    Raises HistoryError from every call when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, runs: Iterable[PastRun], source: str) -> None:
        """Keep these runs of one workflow or program, and forget the oldest of their kinds."""
        now = time.time()
        listed = list(runs)
        if listed:
            with self._writing() as db:
                db.executemany(_INSERT, [(now, source, *_row(run)) for run in listed])
                db.executemany(_FORGET, {(run.kind, run.card) for run in listed})
                db.execute(_FORGET_OLD)

    def demand_usable(self) -> None:
        """Look whether the file can be read at all."""
        self._read("LIMIT 0")

    def entries(self) -> tuple[Entry, ...]:
        """What is kept, the oldest first; looking makes no file."""
        return self._read("ORDER BY id")

    def _read(self, which: str, *values: str) -> tuple[Entry, ...]:
        if not self._path.exists():
            return ()
        with self._open() as (db, found):
            rows = db.execute(f"{_SELECT} {which}", values).fetchall() if found else []
        try:
            return tuple(Entry(_run(values), source, ended) for ended, source, *values in rows)
        except ValueError as error:
            raise HistoryError(str(self._path), f"has a row that is no run ({error})") from error

    def runs(self, cards: Iterable[str], about: str | None = None) -> tuple[PastRun, ...]:
        """Runs on the CPU, and on cards of these makes. about: of this kind or profile only."""
        wanted = {None, *cards}
        entries = self.entries() if about is None else self._read(OF_NAME, about, about)
        return tuple(entry.run for entry in entries if entry.run.card in wanted)

    def clear(self, kind: str | None = None) -> int:
        """Forget the runs of a kind, or all; how many there were."""
        if not self._path.exists():
            return 0
        with self._writing() as db:
            return db.execute("DELETE FROM run WHERE ?1 IS NULL OR kind = ?1", (kind,)).rowcount

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that may write."""
        with self._open() as (db, found):
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("BEGIN IMMEDIATE")
            db.execute(_TABLE)
            for index in _INDICES:
                db.execute(index)
            if found != SCHEMA:
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            yield db
            db.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A connection, and the schema of what is there; 0 where nothing is."""
        try:
            statedir.make_file(self._path)
            demand_plain(self._path)
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
                demand_same(db.execute("PRAGMA database_list").fetchone()[2], self._path)
                (found,) = db.execute("PRAGMA user_version").fetchone()
                if found not in (0, _WITHOUT_SIZE, SCHEMA):
                    raise HistoryError(str(self._path), f"has schema {found}, not {SCHEMA}")
                if found == _WITHOUT_SIZE:
                    _bring_up_to_date(db)
                    found = SCHEMA
                yield db, found
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(str(self._path), f"cannot be used ({error})") from error


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """Add what an earlier nvinx did not write; of two programs that come together one does it."""
    db.execute("BEGIN IMMEDIATE")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == _WITHOUT_SIZE:
        db.execute(_ADD_SIZE)
        db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _row(run: PastRun) -> list[object]:
    plain = msgspec.to_builtins(run)
    plain["co_residents"] = msgspec.json.encode(plain["co_residents"]).decode()
    return [plain[name] for name in _COLUMNS]


def _run(values: list[object]) -> PastRun:
    row = dict(zip(_COLUMNS, values, strict=True))
    row["co_residents"] = msgspec.json.decode(str(row["co_residents"]))
    return msgspec.convert(row, PastRun)
