"""The ledger's rows inside one transaction, or at one look."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from nvinx.admission.job import Waiting
from nvinx.admission.waiting_queue import position
from nvinx.errors import LeaseExistsError, LookOnlyError
from nvinx.leases import lost_ledger, rows
from nvinx.leases.broken_ledger import BrokenLedgerError
from nvinx.leases.ledger_schema import INSERT_LEASE
from nvinx.leases.rows import RowError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from pathlib import Path

    from nvinx.admission.job import Placement
    from nvinx.leases.ports import EngineEntry, Lease, QueuedRequest

# The same rows are read again and again.
_lease = lru_cache(1024)(rows.lease)
_request = lru_cache(4096)(rows.request)

# As bytes, since what is in there need not be text, and never more than a row may have.
_LEASES = """
SELECT CAST(id AS BLOB), CAST(substr(job, 1, :longest) AS BLOB),
    CAST(substr(placement, 1, :longest) AS BLOB), since, CAST(substr(seen, 1, :longest) AS BLOB)
FROM lease WHERE boot = :boot ORDER BY since, id
"""
_REQUESTS = """
SELECT CAST(id AS BLOB), CAST(substr(job, 1, :longest) AS BLOB), since,
    CAST(substr(reason, 1, :longest) AS BLOB)
FROM request WHERE boot = :boot AND engine != :engine
"""
_SHOWN_BY = _REQUESTS.replace("engine != :engine", "engine = :engine")
_ALL = f"{_REQUESTS} ORDER BY priority DESC, place, rowid"
_FIRST = f"{_REQUESTS} AND stands ORDER BY priority DESC, place, rowid LIMIT :most"
_OLDEST_ALONE = f"{_REQUESTS} AND stands AND alone ORDER BY since LIMIT :most"
_QUESTIONS_LAST_S = 60.0
_AMONG = "(SELECT value FROM json_each(?))"


class SqliteTransaction:
    """The ledger inside one transaction; one that only looks raises LookOnlyError for a change.

    unreadable: how many requests there are besides those that were given last. Their engines, if
    they live, write them anew.
    """

    def __init__(
        self, db: sqlite3.Connection, boot: str, state_dir: Path, *, writes: bool = True
    ) -> None:
        self._db = db
        self._boot = boot
        self._state_dir = state_dir
        self._writes = writes
        self._changed = False
        self.unreadable = 0

    def leases(self) -> tuple[Lease, ...]:
        found = self._db.execute(_LEASES, self._values())
        return tuple(_lease(*row) for row in found)

    def requests(self, but: str = "", most: int | None = None) -> tuple[QueuedRequest, ...]:
        queries = (_ALL,) if most is None else (_FIRST, _OLDEST_ALONE)
        values = self._values(engine=but, most=most)
        found = dict.fromkeys(row for query in queries for row in self._db.execute(query, values))
        return self._readable(found)

    def _values(self, **more: str | int | None) -> dict[str, str | int | None]:
        return {"longest": rows.LONGEST + 1, "boot": self._boot, **more}

    def _readable(self, found: Collection[tuple[Any, ...]]) -> tuple[QueuedRequest, ...]:
        requests = []
        for row in found:
            with suppress(RowError):
                requests.append(_request(*row))
        self.unreadable = len(found) - len(requests)
        return tuple(requests)

    def shown_by(self, engine: str) -> tuple[QueuedRequest, ...]:
        found = self._db.execute(_SHOWN_BY, self._values(engine=engine))
        return self._readable(found.fetchall())

    def engines(self, ids: Collection[str] | None = None) -> dict[str, EngineEntry]:
        query = "SELECT id, waiting, seen, answered, asked, asked_by FROM engine WHERE boot = ?"
        if ids is None:
            found = self._db.execute(query, (self._boot,))
        else:
            found = self._db.execute(f"{query} AND id IN {_AMONG}", (self._boot, _list(ids)))
        entries = {}
        for row in found:
            with suppress(RowError):
                entries[row[0]] = rows.engine(row)
        return entries

    def change(self) -> int:
        found = self._db.execute("SELECT number FROM change").fetchone()
        if found is None or not isinstance(found[0], int):
            raise BrokenLedgerError("its change counter is missing")
        return found[0]

    def questions(self, since: float) -> tuple[str, ...]:
        query = "SELECT name FROM question WHERE boot = ? AND asked >= ?"
        found = self._db.execute(query, (self._boot, since))
        return tuple(name for (name,) in found if isinstance(name, str))

    def question(self, name: str, at: float) -> None:
        self._write("DELETE FROM question WHERE asked < ?", at - _QUESTIONS_LAST_S)
        self._write(
            "INSERT INTO question (name, boot, asked) VALUES (CAST(? AS TEXT), ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET asked = excluded.asked",
            _raw(name),
            self._boot,
            at,
        )

    def requested_by(self, job_ids: Collection[str]) -> dict[str, str]:
        query = f"SELECT id, engine FROM request WHERE id IN {_AMONG}"
        found = self._db.execute(query, (_list(job_ids),))
        return {job_id: engine for job_id, engine in found if isinstance(engine, str)}

    def hold(self, lease: Lease) -> None:
        self._write("DELETE FROM lease WHERE id = ? AND boot != ?", lease.id, self._boot)
        if self._db.execute("SELECT 1 FROM lease WHERE id = ?", (lease.id,)).fetchone():
            raise LeaseExistsError(lease.id)
        self._change(
            INSERT_LEASE,
            lease.id,
            self._boot,
            lease.since,
            rows.job_text(lease.job),
            rows.placement_text(lease.placement),
            rows.seen_text(lease.seen),
        )
        lost_ledger.write(self._state_dir, lease)
        self._demand_whole()

    def _demand_whole(self) -> None:
        """Raise BrokenLedgerError where a lease lives that is not there: a page of it has gone."""
        found = self._db.execute("SELECT id FROM lease WHERE boot = ?", (self._boot,))
        known = {lease_id for (lease_id,) in found}
        if lost_ledger.is_any_missing(self._state_dir, known):
            raise BrokenLedgerError("a lease that lives is not in it")

    def note(self, lease: Lease) -> None:
        self._write(
            "UPDATE lease SET seen = ? WHERE id = CAST(? AS TEXT)",
            rows.seen_text(lease.seen),
            _raw(lease.id),
        )

    def give_back(self, lease_id: str, placement: Placement) -> None:
        text = rows.placement_text(placement)
        self._write("UPDATE lease SET placement = ? WHERE id = ?", text, lease_id)

    def rebudget(self, lease: Lease) -> None:
        text = rows.placement_text(lease.placement)
        self._change("UPDATE lease SET placement = ? WHERE id = ?", text, lease.id)
        lost_ledger.write(self._state_dir, lease)

    def move(self, lease: Lease) -> None:
        self._change(
            "UPDATE lease SET job = ?, placement = ?, since = ? WHERE id = ?",
            rows.job_text(lease.job),
            rows.placement_text(lease.placement),
            lease.since,
            lease.id,
        )
        lost_ledger.write(self._state_dir, lease)

    def drop(self, lease_id: str) -> None:
        self._change("DELETE FROM lease WHERE id = CAST(? AS TEXT)", _raw(lease_id))

    def enqueue(self, request: QueuedRequest) -> None:
        *_, behind, place = position(Waiting(request.job, request.since))
        claim, reason = request.job.claim, request.reason
        self._write(
            "INSERT INTO request"
            " (id, boot, engine, priority, place, since, alone, stands, job, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET engine = excluded.engine,"
            " priority = excluded.priority, place = excluded.place, since = excluded.since,"
            " alone = excluded.alone, stands = excluded.stands,"
            " job = excluded.job, reason = excluded.reason",
            request.id,
            self._boot,
            request.job.engine,
            -behind,
            place,
            request.since,
            claim.is_wide,
            reason is None or not reason.of_machine,
            rows.job_text(request.job),
            rows.reason_text(reason),
        )

    def dequeue(self, request_id: str) -> None:
        self._change("DELETE FROM request WHERE id = CAST(? AS TEXT)", _raw(request_id))

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
        self._change("DELETE FROM request WHERE engine = CAST(? AS TEXT)", _raw(engine))
        self._write("DELETE FROM engine WHERE id = CAST(? AS TEXT)", _raw(engine))

    def _write(self, statement: str, *values: object) -> int:
        if not self._writes:
            raise LookOnlyError
        return self._db.execute(statement, values).rowcount

    def _change(self, statement: str, *values: object) -> None:
        """Write what could let a waiting job start."""
        if self._write(statement, *values) and not self._changed:
            self._write("UPDATE change SET number = number + 1")
            self._changed = True


def _raw(row_id: str) -> bytes:
    """An id as it is written, which need not be text."""
    return row_id.encode(errors="surrogateescape")


def _list(ids: Collection[str]) -> str:
    """As JSON, without those that are no text, which nobody has."""
    return msgspec.json.encode([i for i in ids if _raw(i).isascii()]).decode()
