"""SqliteHistory: how earlier jobs ran, in one file of the state folder."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from nvinx.errors import HistoryError
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT
from nvinx.host import statedir
from nvinx.host.plain_files import NotPlainError, demand_plain, demand_same
from nvinx.interference.belief import Belief
from nvinx.interference.company import Company

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SCHEMA = 3
_WITHOUT_SIZE, _WITH_AVERAGES = 1, 2
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
    "CREATE INDEX IF NOT EXISTS run_on_card ON run (card, id)",
)
# What the runs up to one of them teach of sharing, by cards and calibration.
_BELIEFS = """
CREATE TABLE IF NOT EXISTS belief (
    subject TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL,
    runs    INTEGER NOT NULL,
    belief  TEXT NOT NULL
) STRICT
"""
_ADD_SIZE = "ALTER TABLE run ADD COLUMN size REAL"
# Columns by the names of the fields that they hold.
_COLUMNS = (
    *("name", "kind", "profile", "residency", "ran_s", "card"),
    *("company", "outcome", "declared_mib", "peak_mib", "size"),
)
_LAST_BELIEF = "SELECT last_id, runs, belief FROM belief WHERE subject = ?"
_KEEP_BELIEF = "INSERT OR REPLACE INTO belief VALUES (?, ?, ?, ?)"
_NAMES = ", ".join(_COLUMNS)
_INSERT = (
    f"INSERT INTO run (ended_at, source, {_NAMES}) VALUES ({', '.join('?' * (2 + len(_COLUMNS)))})"
)
_SELECT = f"SELECT ended_at, source, {_NAMES} FROM run"
OF_NAME = "WHERE kind = ? OR profile = ? ORDER BY id"
# Of each kind as many as anybody learns from, on the CPU and on each make of card; those that were
# alone there and those that were not, so that many of these push none of the others out.
_ALIKE = "kind = :kind AND card IS :card AND (company = '[]') = :alone"
_FORGET = f"""
DELETE FROM run WHERE {_ALIKE} AND id <= (
    SELECT id FROM run WHERE {_ALIKE} ORDER BY id DESC LIMIT 1 OFFSET {KEPT}
)
"""
MOST = 100_000  # runs in all, since rules that were changed leave their kinds behind
_FORGET_OLD = f"DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - {MOST}"


class Entry(Struct, frozen=True):
    """A run as it is kept: `source` is its workflow or program, `ended_at` seconds since 1970."""

    run: PastRun
    source: str
    ended_at: float


class Kept(Struct, frozen=True):
    """What was fitted to `runs` runs; None where nothing was. new: how many are not in it yet.

    last_id: the number of the last run of all.
    """

    belief: Belief | None = None
    runs: int = 0
    new: int = 0
    last_id: int = 0


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
                alike = {(run.kind, run.card, not run.company) for run in listed}
                names = ("kind", "card", "alone")
                db.executemany(_FORGET, [dict(zip(names, one, strict=True)) for one in alike])
                db.execute(_FORGET_OLD)

    def entries(self) -> tuple[Entry, ...]:
        """What is kept, the oldest first; looking makes no file."""
        return self._read("ORDER BY id")

    def _read(self, which: str, *values: str | int) -> tuple[Entry, ...]:
        if not os.path.lexists(self._path):
            return ()
        with self._open() as (db, found):
            rows = db.execute(f"{_SELECT} {which}", values).fetchall() if found else []
        try:
            return tuple(Entry(_run(values), source, ended) for ended, source, *values in rows)
        except ValueError as error:
            raise HistoryError(str(self._path), f"has a row that is not a run ({error})") from error

    def runs(self, cards: Iterable[str], about: str | None = None) -> tuple[PastRun, ...]:
        """Runs on the CPU, and on cards of these makes. about: of this kind or profile only."""
        wanted = {None, *cards}
        entries = self.entries() if about is None else self._read(OF_NAME, about, about)
        return tuple(entry.run for entry in entries if entry.run.card in wanted)

    def clear(self, kind: str | None = None) -> int:
        """Forget the runs of a kind, or all; how many there were."""
        if not os.path.lexists(self._path):
            return 0
        with self._writing() as db:
            db.execute("DELETE FROM belief")
            those = "DELETE FROM run WHERE :kind IS NULL OR kind = :kind"
            return db.execute(those, {"kind": kind}).rowcount

    def newest_on(self, cards: Sequence[str], most: int, last_id: int) -> tuple[PastRun, ...]:
        """The last runs on cards of these makes, up to a number, the oldest first."""
        which = f"WHERE card IN ({_marks(cards)}) AND id <= ? ORDER BY id DESC LIMIT {most}"
        return tuple(entry.run for entry in reversed(self._read(which, *cards, last_id)))

    def belief(self, subject: str, cards: Sequence[str]) -> Kept:
        """What was last fitted, and how many runs on these cards there are since."""
        with self._looking() as db:
            if db is None:
                return Kept()
            found = db.execute(_LAST_BELIEF, (subject,)).fetchone() or (0, 0, None)
            since = (
                f"SELECT count(*), coalesce(max(id), 0) FROM run WHERE card IN ({_marks(cards)})"
            )
            new, last_id = db.execute(f"{since} AND id > ?", (*cards, found[0])).fetchone()
        with suppress(ValueError):  # of an nvinx that believed in another form
            belief = found[2] and msgspec.json.decode(found[2], type=Belief)
            return Kept(belief, found[1], new, max(last_id, found[0]))
        return Kept(None, 0, found[1] + new, max(last_id, found[0]))

    def keep_belief(self, subject: str, cards: Sequence[str], belief: Belief) -> None:
        """Remember what the runs until now teach."""
        text = msgspec.json.encode(belief).decode()
        with self._writing() as db:
            newest = f"SELECT coalesce(max(id), 0) FROM run WHERE card IN ({_marks(cards)})"
            (last_id,) = db.execute(newest, tuple(cards)).fetchone()
            db.execute(_KEEP_BELIEF, (subject, last_id, belief.runs, text))

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection | None]:
        """A connection; None where nothing was written yet."""
        if not os.path.lexists(self._path):
            yield None
            return
        with self._open() as (db, found):
            yield db if found else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that may write."""
        with self._open() as (db, found):
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("BEGIN IMMEDIATE")
            db.execute(_TABLE)
            db.execute(_BELIEFS)
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
                if found not in (0, _WITHOUT_SIZE, _WITH_AVERAGES, SCHEMA):
                    raise HistoryError(str(self._path), f"has schema {found}, not {SCHEMA}")
                if found in (_WITHOUT_SIZE, _WITH_AVERAGES):
                    _bring_up_to_date(db)
                    found = SCHEMA
                yield db, found
        except NotPlainError as error:
            raise HistoryError(str(self._path), "is not a regular file") from error
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(str(self._path), f"cannot be used ({error})") from error


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """Add what an earlier nvinx did not write; of two programs that come together one does it."""
    db.execute("BEGIN IMMEDIATE")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == _WITHOUT_SIZE:
        db.execute(_ADD_SIZE)
    if found in (_WITHOUT_SIZE, _WITH_AVERAGES):
        db.create_function("as_company", 2, _as_company, deterministic=True)
        db.execute("UPDATE run SET company = as_company(company, ran_s)")
        db.execute(_BELIEFS)
        db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _as_company(averages: str, ran_s: float) -> str:
    """How many of each partner there were on average, as if each had come at once.

    A run is taken to have ended in the company that it had for longest.
    """
    numbers = msgspec.json.decode(averages, type=dict[str, float])
    marks = sorted({0.0, 1.0} | {number % 1.0 for number in numbers.values()})
    longest = max(pairwise(marks), key=lambda part: part[1] - part[0])
    found = []
    for begin, end in pairwise(marks):
        partners = {name: int(number) + (number % 1.0 > begin) for name, number in numbers.items()}
        there = {name: number for name, number in partners.items() if number}
        if there:
            at_end = (begin, end) == longest
            found.append(Company((end - begin) * ran_s, there, at_end))
    return msgspec.json.encode(found).decode()


def _row(run: PastRun) -> list[object]:
    plain = msgspec.to_builtins(run)
    plain["company"] = msgspec.json.encode(plain["company"]).decode()
    return [plain[name] for name in _COLUMNS]


def _run(values: list[object]) -> PastRun:
    row = dict(zip(_COLUMNS, values, strict=True))
    row["company"] = msgspec.json.decode(str(row["company"]))
    return msgspec.convert(row, PastRun)
