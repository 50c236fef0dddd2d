"""SqliteHistory: how earlier jobs ran, in one file of the state folder."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from nvinx.errors import HistoryError
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT
from nvinx.host import statedir

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
# Of each kind as many as anybody learns from, on the CPU and on each make of card.
_FORGET = f"""
DELETE FROM run WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY kind, card ORDER BY id DESC) AS age FROM run
    ) WHERE age > {KEPT}
)
"""


@dataclass(frozen=True, slots=True)
class Entry:
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
        rows = [(now, source, *_row(run)) for run in runs]
        if rows:
            with self._open() as db:
                db.executemany(_INSERT, rows)
                db.execute(_FORGET)

    def entries(self) -> tuple[Entry, ...]:
        """What is kept, the oldest first; looking makes no file."""
        if not self._path.exists():
            return ()
        with self._open() as db:
            rows = db.execute(f"SELECT ended_at, source, {_NAMES} FROM run ORDER BY id").fetchall()
        try:
            return tuple(Entry(_run(values), source, ended) for ended, source, *values in rows)
        except ValueError as error:
            raise HistoryError(str(self._path), f"has a row that is no run ({error})") from error

    def runs(self, cards: Iterable[str]) -> tuple[PastRun, ...]:
        """Runs on the CPU, and on cards of these makes."""
        wanted = {None, *cards}
        return tuple(entry.run for entry in self.entries() if entry.run.card in wanted)

    def clear(self, kind: str | None = None) -> int:
        """Forget the runs of a kind, or all; how many there were."""
        if not self._path.exists():
            return 0
        with self._open() as db:
            return db.execute("DELETE FROM run WHERE ?1 IS NULL OR kind = ?1", (kind,)).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            statedir.make_file(self._path)
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
                (found,) = db.execute("PRAGMA user_version").fetchone()
                if found not in (0, _WITHOUT_SIZE, SCHEMA):
                    raise HistoryError(str(self._path), f"has schema {found}, not {SCHEMA}")
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("BEGIN IMMEDIATE")
                _bring_up_to_date(db)
                db.execute(f"PRAGMA user_version = {SCHEMA}")
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(str(self._path), f"cannot be used ({error})") from error


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """Make the table, or add what an earlier nvinx did not write; asked in the transaction, so that
    of two programs one does it."""
    db.execute(_TABLE)
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == _WITHOUT_SIZE:
        db.execute(_ADD_SIZE)


def _row(run: PastRun) -> list[object]:
    plain = msgspec.to_builtins(run)
    plain["co_residents"] = json.dumps(plain["co_residents"])
    return [plain[name] for name in _COLUMNS]


def _run(values: list[object]) -> PastRun:
    row = dict(zip(_COLUMNS, values, strict=True))
    row["co_residents"] = json.loads(str(row["co_residents"]))
    return msgspec.convert(row, PastRun)
