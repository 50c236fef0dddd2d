"""Rows of the ledger, written as JSON and believed only as far as they make sense.

Whoever may write to the ledger may write anything. A lease that makes no sense still belongs to
something that may live, so it stands for its whole card, or for every card where it names none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from nvinx.admission.job import Job, Placement
from nvinx.formatting import plain
from nvinx.jobs.claim import Claim
from nvinx.leases.ports import EngineEntry, Lease, QueuedRequest
from nvinx.reasons import Reason, Why
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 1 << 20  # bytes of one column
_MOST = 1 << 40  # MiB, cores or whatever is counted
_LONGEST_WORD = 1000
UNREADABLE = "unreadable lease"

Value = TypeVar("Value")


class RowError(ValueError):
    """A row of the ledger makes no sense."""


class _Where(msgspec.Struct):
    """As much of a placement as says what it holds."""

    card: str
    more: tuple[str, ...] = ()


_JOB = msgspec.json.Decoder(Job)
_PLACEMENT = msgspec.json.Decoder(Placement)
_WHERE = msgspec.json.Decoder(_Where)
_SEEN = msgspec.json.Decoder(tuple[tuple[int, int], ...])
_REASON = msgspec.json.Decoder(Reason | None)


def job_text(job: Job) -> str:
    """As JSON that is read back; ValueError before anybody else would stumble over it."""
    job = replace(job, name=plain(job.name))
    _job(job.id, _text(job).encode())
    return _text(job)


def placement_text(placement: Placement) -> str:
    _placement(_text(placement).encode())
    return _text(placement)


def seen_text(seen: tuple[tuple[int, int], ...]) -> str:
    return _text(seen)


def reason_text(reason: Reason | None) -> str:
    text = _text(reason)
    return text if len(text) < LONGEST else "null"


def lease(row_id: bytes, job: bytes, placement: bytes, since: object, seen: bytes) -> Lease:
    """The lease of a row, or what stands in for one that makes no sense: `problem` says which."""
    lease_id = row_id.decode(errors="surrogateescape")
    try:
        found = _job(lease_id, job), _placement(placement), _time(since), _seen(seen)
        return Lease(*found)
    except RowError as error:
        return _stand_in(lease_id, job, placement, since, str(error))


def request(row_id: bytes, job: bytes, since: object, reason: bytes) -> QueuedRequest:
    """The request of a row. Raises RowError."""
    found = _job(row_id.decode(errors="surrogateescape"), job)
    return QueuedRequest(found, _time(since), _or(None, _reason, reason))


def engine(row: tuple[object, ...]) -> EngineEntry:
    """The engine of a row. Raises RowError."""
    try:
        found = msgspec.convert(
            dict(zip(EngineEntry.__struct_fields__, row, strict=True)), EngineEntry
        )
    except msgspec.ValidationError as error:
        raise RowError(str(error)) from error
    _demand(
        math.isfinite(found.answered_at) and math.isfinite(found.asked_at), "its time is invalid"
    )
    return found


def _stand_in(lease_id: str, job: bytes, placement: bytes, since: object, problem: str) -> Lease:
    engine = lease_id.rpartition(".")[0]
    unknown = Job(lease_id, UNREADABLE, Claim(residency=Residency.GPU_EXCLUSIVE), engine)
    return Lease(
        _or(unknown, _job, lease_id, job),
        _or(_whole(placement), _placement, placement),
        _or(0.0, _time, since),
        problem=problem,
    )


def _whole(placement: bytes) -> Placement:
    """All of the card that it names, or of every card."""
    where = _or(None, _read, _WHERE, placement)
    whole = Placement(Residency.GPU_EXCLUSIVE, Why.WHOLE_CARD)
    return whole if where is None else replace(whole, card=where.card, more=where.more)


def _or(instead: Value, reader: Callable[..., Value], *arguments: Any) -> Value:
    try:
        return reader(*arguments)
    except RowError:
        return instead


def _job(row_id: str, text: bytes) -> Job:
    job: Job = _read(_JOB, text)
    claim = job.claim
    counts = (claim.most_mib, claim.ram_mib, claim.disk_mib, claim.cores, abs(claim.priority))
    _demand(job.id == row_id, "its job has another id")
    _demand(max(counts) <= _MOST, "its claim is implausibly large")
    words = (job.id, job.engine, claim.kind, claim.model or "", claim.on_card or "")
    _demand(max(map(len, words)) <= _LONGEST_WORD and "\0" not in "".join(words), "odd names")
    if job.suspended is not None:
        _demand_sound(job.suspended)
    name = plain(job.name)
    return job if name == job.name else replace(job, name=name)


def _placement(text: bytes) -> Placement:
    placement: Placement = _read(_PLACEMENT, text)
    _demand_sound(placement)
    return placement


def _demand_sound(placement: Placement) -> None:
    sizes = placement.vram_mib, placement.ram_mib, placement.disk_mib, *placement.more_mib
    _demand(min(sizes) >= 0, "it holds a negative amount")
    _demand(max(sizes) <= _MOST, "it holds more than is possible")
    _demand(placement.card is not None and placement.residency.uses_gpu, "it holds no card")
    _demand(len(set(placement.cards)) == len(placement.cards), "it holds a card twice")
    budget = placement.budget
    fits = budget is None or (0 < budget.mib <= placement.vram_mib and budget.number >= 0)
    _demand(fits, "its budget makes no sense")
    is_told = placement.alone or len(placement.more_mib) == len(placement.more)
    _demand(is_told, "how much it holds of some card is missing")
    if placement.suspension is not None:
        is_part = 0 <= placement.suspension.ram_mib <= placement.ram_mib
        _demand(is_part, "its suspension takes more RAM than it holds")


def _seen(text: bytes) -> tuple[tuple[int, int], ...]:
    seen: tuple[tuple[int, int], ...] = _read(_SEEN, text)
    _demand(all(0 < pid < _MOST and start >= 0 for pid, start in seen), "it saw no processes")
    return seen


def _reason(text: bytes) -> Reason | None:
    """With names that can be shown."""
    reason: Reason | None = _read(_REASON, text)
    if reason is None:
        return None
    job, behind = plain(reason.job), tuple(map(plain, reason.behind))
    if (job, behind) == (reason.job, reason.behind):
        return reason
    return replace(reason, job=job, behind=behind)


def _time(value: object) -> float:
    _demand(isinstance(value, float) and math.isfinite(value), "its time is invalid")
    return float(value)  # type: ignore[arg-type]


def _read(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    """msgspec raises RecursionError, too, for what nests deeply."""
    _demand(len(text) <= LONGEST, "it is too long for a row")
    try:
        return decoder.decode(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise RowError(str(error)) from error


def _demand(condition: bool, problem: str) -> None:
    if not condition:
        raise RowError(problem)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
