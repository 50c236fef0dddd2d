"""What a new ledger takes over where the old one was lost: leases that live are entered again.

Each lease is also written into its sign of life. So whoever opens a ledger that is not there, or is
empty, finds the leases that live, with what they hold.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from nvinx.errors import StateDirError
from nvinx.host import proc
from nvinx.host.locks import lock_alone_soon
from nvinx.host.plain_files import open_plain
from nvinx.leases import open_locks, rows, tokens
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.markers import is_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nvinx.leases.open_locks import OpenLock
    from nvinx.leases.ports import Lease

_LIFE, _SUFFIX = "life", open_locks.SUFFIX
_NOTHING = b"{}"


class Copy(msgspec.Struct, frozen=True):
    """The columns of a lease, as they were written; what is unknown is no valid column."""

    id: str
    job: bytes
    placement: bytes
    since: float


class _Copy(msgspec.Struct):
    job: msgspec.Raw
    placement: msgspec.Raw
    since: float
    folder: str = ""


def write(state_dir: Path, lease: Lease) -> None:
    """Write the lease into its sign of life, if it has one. Raises OSError."""
    job, placement = rows.job_text(lease.job), rows.placement_text(lease.placement)
    folder = str((state_dir / _LIFE).resolve())
    copy = _Copy(msgspec.Raw(job.encode()), msgspec.Raw(placement.encode()), lease.since, folder)
    try:
        fd = open_plain(state_dir / _LIFE / f"{lease.id}{_SUFFIX}", os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        os.ftruncate(fd, os.write(fd, msgspec.json.encode(copy)))
    finally:
        os.close(fd)


def living(state_dir: Path) -> Iterator[Copy]:
    """The leases that anything shows life for; an empty file is of no lease yet.

    Raises StateDirError where these signs were deleted or moved while processes hold them, as
    nobody could see any more what they hold.
    """
    demand_no_orphans(state_dir / _LIFE)
    files = {}
    for file in (state_dir / _LIFE).glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if file.lstat().st_size > 0:
                files[file.name.removesuffix(_SUFFIX)] = file
    for token in ProcessLiveness(state_dir / _LIFE).alive(files):
        yield _read(token, files[token])


def is_any_missing(state_dir: Path, known: set[str]) -> bool:
    """Whether anybody holds the lock of a lease besides these; whoever lets one go empties it."""
    life = state_dir / _LIFE
    with suppress(FileNotFoundError):
        names = [name for name in os.listdir(life) if name.endswith(_SUFFIX)]
        others = {name.removesuffix(_SUFFIX) for name in names} - known
        leases = (token for token in others if tokens.is_lease(token) and is_token(token))
        return any(_is_held(life, token) for token in leases)
    return False


def forget(state_dir: Path, lease_id: str) -> None:
    """Have no new ledger take the lease over, though it may live. Raises OSError."""
    with suppress(FileNotFoundError):
        fd = open_plain(state_dir / _LIFE / f"{lease_id}{_SUFFIX}", os.O_WRONLY)
        try:
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)


def lease_of(token: str, file: Path) -> Lease:
    """The lease that a sign of life is of; a path below /proc serves, too."""
    copy = _copy(token, file.read_bytes())
    return rows.lease(token.encode(), copy.job, copy.placement, copy.since, b"[]")


def _read(token: str, file: Path) -> Copy:
    try:
        fd = open_plain(file)
        try:
            return _copy(token, os.read(fd, rows.LONGEST))
        finally:
            os.close(fd)
    except OSError:
        return Copy(token, _NOTHING, _NOTHING, 0.0)


def _is_held(life: Path, token: str) -> bool:
    with suppress(OSError):
        fd = open_plain(life / f"{token}{_SUFFIX}")
        try:
            return os.fstat(fd).st_size > 0 and not lock_alone_soon(fd)
        finally:
            os.close(fd)
    return False


def _copy(token: str, text: bytes) -> Copy:
    try:
        copy = msgspec.json.decode(text, type=_Copy)
    except (ValueError, RecursionError):
        return Copy(token, _NOTHING, _NOTHING, 0.0)
    return Copy(token, bytes(copy.job), bytes(copy.placement), copy.since)


def demand_no_orphans(life: Path) -> None:
    """Raise StateDirError where processes hold leases whose signs of life lay in this folder."""
    where = str(life.resolve())
    found = {lock.pid for lock in open_locks.find() if _lay_in(where, lock)}
    if not found:
        return
    who = ", ".join(f"{pid} ({proc.name(pid)})" for pid in sorted(found)[:5])
    problem = f"was deleted or moved while leases were held there, by process {who}"
    fix = "wait until they end, or end them, or name another folder"
    raise StateDirError(str(life.parent), problem, fix)


def _lay_in(life: str, lock: OpenLock) -> bool:
    return lock.is_deleted if lock.folder == life else _told_folder(lock) == life


def _told_folder(lock: OpenLock) -> str:
    """Where the lease was given, if its sign of life says so."""
    with suppress(OSError, ValueError, RecursionError), lock.path.open("rb") as file:
        return msgspec.json.decode(file.read(rows.LONGEST), type=_Copy).folder
    return ""
