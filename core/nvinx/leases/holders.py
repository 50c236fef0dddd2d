"""The processes that keep a lease, by name, and how to end them or let it go without them."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.formatting import plain
from nvinx.host import proc
from nvinx.leases import lost_ledger, open_locks, tokens
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.markers import Markers
from nvinx.leases.repetition import again_if_lost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that keeps a lease. command: as one short line. is_engine: it asked for it."""

    pid: int
    command: str
    is_engine: bool


def holders(lease_id: str) -> tuple[Holder, ...]:
    """Who shows life for the lease, as far as that can be seen from here; never this process."""
    if not tokens.is_lease(lease_id):
        return ()
    locked = {lock.pid for lock in open_locks.find({lease_id})}
    found = locked | set(Markers().pids({lease_id}))
    engines = _engine_pids(tokens.asked_by(lease_id))
    others = sorted(found - {os.getpid()})
    return tuple(Holder(pid, _command(pid), pid in engines) for pid in others)


def left_behind(lease_id: str, engine: str) -> tuple[Holder, ...]:
    """Those that a job left when it ended, or when its engine did; none while that still counts."""
    if any(open_locks.has_open(pid, lease_id) for pid in _engine_pids(engine)):
        return ()
    return holders(lease_id)


def _engine_pids(engine: str) -> set[int]:
    """By its name; one in a container has another number here, and is known by its lock."""
    pid = tokens.pid(engine)
    if pid is not None and tokens.is_named_here(engine):
        return {pid}
    return {lock.pid for lock in open_locks.find({engine})} if tokens.is_engine(engine) else set()


def end(found: Collection[Holder], grace_s: float = 5.0) -> None:
    """TERM, and after so many seconds KILL, for each; an engine only where nobody else is there."""
    import signal

    others = [holder.pid for holder in found if not holder.is_engine]
    doomed = others or [holder.pid for holder in found]
    _send(doomed, signal.SIGTERM)
    _send(doomed, signal.SIGCONT)  # one that is suspended would never hear of it
    deadline = time.monotonic() + grace_s
    while any(map(proc.runs, doomed)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _send(filter(proc.runs, doomed), signal.SIGKILL)


def disown(state_dir: Path, lease_id: str) -> None:
    """Take the lease out of the ledger, whoever keeps it."""
    lost_ledger.forget(state_dir, lease_id)
    with closing(SqliteLedger(state_dir / "ledger.db")) as ledger:
        again_if_lost(lambda: _drop(ledger, lease_id))


def _drop(ledger: SqliteLedger, lease_id: str) -> None:
    with ledger.transaction() as entries:
        entries.drop(lease_id)


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _command(pid: int) -> str:
    words = proc.command_line(pid).replace(b"\0", b" ").decode(errors="replace").strip()
    return plain(words or proc.name(pid), 60)
