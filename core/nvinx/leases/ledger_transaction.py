"""The ledger's rows inside one transaction, or at one look."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from nvinx.admission.job import Job, Placement, Waiting
from nvinx.admission.waiting_queue import position
from nvinx.catalog import Residency
from nvinx.errors import LeaseExistsError, LookOnlyError
from nvinx.leases.ports import EngineEntry, Lease, QueuedRequest
from nvinx.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_JOB = msgspec.json.Decoder(Job)
_PLACEMENT = msgspec.json.Decoder(Placement)
_SEEN = msgspec.json.Decoder(tuple[tuple[int, int], ...])
_REASON = msgspec.json.Decoder(Reason | None)

# The same rows are read again and again.
_job = lru_cache(4096)(_JOB.decode)
_placement = lru_cache(1024)(_PLACEMENT.decode)
_seen = lru_cache(1024)(_SEEN.decode)
_reason = lru_cache(1024)(_REASON.decode)

_REQUEST = "SELECT job, since, reason FROM request WHERE engine != ?"
_AMONG = "(SELECT value FROM json_each(?))"


class SqliteTransaction:
    """The ledger inside one transaction; one that only looks raises LookOnlyError for a change."""

    def __init__(self, db: sqlite3.Connection, boot: str, *, writes: bool = True) -> None:
        self._db = db
        self._boot = boot
        self._writes = writes
        self._changed = False

    def leases(self) -> tuple[Lease, ...]:
        rows = self._db.execute("SELECT job, placement, since, seen FROM lease ORDER BY since, id")
        with _whole():
            return tuple(
                Lease(_job(job), _placement(placement), since, _seen(seen))
                for job, placement, since, seen in rows
            )

    def requests(self, but: str = "", most: int | None = None) -> tuple[QueuedRequest, ...]:
        if most is None:
            return _requests(
                self._db.execute(f"{_REQUEST} ORDER BY priority DESC, place, rowid", (but,))
            )
        first = f"{_REQUEST} AND stands ORDER BY priority DESC, place, rowid LIMIT ?"
        oldest = f"{_REQUEST} AND stands AND alone ORDER BY since LIMIT ?"
        rows = dict.fromkeys(
            row for query in (first, oldest) for row in self._db.execute(query, (but, most))
        )
        return _requests(rows)

    def engines(self, ids: Collection[str] | None = None) -> dict[str, EngineEntry]:
        query = "SELECT id, waiting, seen, answered, asked, asked_by FROM engine"
        if ids is None:
            rows = self._db.execute(query)
        else:
            rows = self._db.execute(f"{query} WHERE id IN {_AMONG}", (_list(ids),))
        return {row[0]: EngineEntry(*row) for row in rows}

    def change(self) -> int:
        (number,) = self._db.execute("SELECT number FROM change").fetchone()
        return int(number)

    def requested_by(self, job_ids: Collection[str]) -> dict[str, str]:
        query = f"SELECT id, engine FROM request WHERE id IN {_AMONG}"
        return dict(self._db.execute(query, (_list(job_ids),)))

    def hold(self, lease: Lease) -> None:
        if self._db.execute("SELECT 1 FROM lease WHERE id = ?", (lease.id,)).fetchone():
            raise LeaseExistsError(lease.id)
        self._change(
            "INSERT INTO lease (id, boot, since, job, placement, seen) VALUES (?, ?, ?, ?, ?, ?)",
            lease.id,
            self._boot,
            lease.since,
            _text(lease.job, _JOB.decode),
            _text(lease.placement, _PLACEMENT.decode),
            _text(lease.seen, _SEEN.decode),
        )

    def note(self, lease: Lease) -> None:
        self._write(
            "UPDATE lease SET seen = ? WHERE id = ?", _text(lease.seen, _SEEN.decode), lease.id
        )

    def drop(self, lease_id: str) -> None:
        self._change("DELETE FROM lease WHERE id = ?", lease_id)

    def enqueue(self, request: QueuedRequest) -> None:
        *_, behind, place = position(Waiting(request.job, request.since))
        claim, reason = request.job.claim, request.reason
        self._write(
            "INSERT INTO request"
            " (id, boot, engine, priority, place, since, alone, stands, job, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET stands = excluded.stands, reason = excluded.reason",
            request.id,
            self._boot,
            request.job.engine,
            -behind,
            place,
            request.since,
            claim.residency is Residency.GPU_EXCLUSIVE,
            reason is None or not reason.of_machine,
            _text(request.job, _JOB.decode),
            _text(reason, _REASON.decode),
        )

    def dequeue(self, request_id: str) -> None:
        self._change("DELETE FROM request WHERE id = ?", request_id)

    def answer(self, engine: str, waiting: int, at: float) -> None:
        self._write(
            "INSERT INTO engine (id, boot, waiting, seen, answered) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET waiting = excluded.waiting, seen = excluded.seen,"
            " answered = excluded.answered",
            engine,
            self._boot,
            waiting,
            self.change(),
            at,
        )

    def ask(self, engine: str, by: str, at: float) -> None:
        self._write(
            "UPDATE engine SET asked = ?, asked_by = ? WHERE id = ? AND asked <= answered",
            at,
            by,
            engine,
        )

    def leave(self, engine: str) -> None:
        self._change("DELETE FROM request WHERE engine = ?", engine)
        self._write("DELETE FROM engine WHERE id = ?", engine)

    def _write(self, statement: str, *values: object) -> int:
        if not self._writes:
            raise LookOnlyError
        return self._db.execute(statement, values).rowcount

    def _change(self, statement: str, *values: object) -> None:
        """Write what could let a waiting job start."""
        if self._write(statement, *values) and not self._changed:
            self._write("UPDATE change SET number = number + 1")
            self._changed = True


def _list(ids: Collection[str]) -> str:
    return msgspec.json.encode(list(ids)).decode()


def _requests(rows: Iterable[tuple[Any, ...]]) -> tuple[QueuedRequest, ...]:
    with _whole():
        return tuple(
            QueuedRequest(_job(job), since, _reason(reason)) for job, since, reason in rows
        )


@contextmanager
def _whole() -> Iterator[None]:
    """A row that cannot be read was half written when the power went."""
    try:
        yield
    except msgspec.DecodeError as error:
        raise sqlite3.DatabaseError(f"malformed row: {error}") from error


def _text(value: object, read: Callable[[bytes], object]) -> str:
    """As JSON that is read back; ValueError before anybody else would stumble over it."""
    text = msgspec.json.encode(value)
    read(text)
    return text.decode()
