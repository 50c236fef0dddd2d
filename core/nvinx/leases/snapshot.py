"""Everybody's leases and requests at one moment, and the cards that they are about."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from nvinx.gpu.nvml import NvmlProbe
from nvinx.host.clock import boot_seconds
from nvinx.leases import holders, lost_ledger, strangers
from nvinx.leases.external_use import owners, with_external_use
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.questions import PATIENCE_S, is_called
from nvinx.leases.repetition import again_if_lost

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.gpu.ports import GpuInventory
    from nvinx.leases.holders import Holder
    from nvinx.leases.ports import EngineEntry, Lease, QueuedRequest
    from nvinx.leases.strangers import Stranger

_LOOK_AGAIN_S = 0.05


class Snapshot(Struct, frozen=True):
    """What there is to see; now: seconds since boot, as the times of leases and requests are.

    bench: its cards with what programs outside nvinx use of them. inventory: what the driver said.
    requests: the first of each engine, in the line's order. waiting: how many there are in all.
    unreadable: how many requests make no sense, and are left out. left_behind: by the id of a lease
    whose job has ended, the processes of it that keep the lease. unproved: ids of leases of which
    cannot be told from here whether they live. strangers: by the id of a card, the programs there
    that hold no lease. left_suspended: ids of leases whose engine died while the job was suspended.
    """

    bench: Bench
    leases: tuple[Lease, ...]
    requests: tuple[QueuedRequest, ...]
    waiting: int
    inventory: GpuInventory
    now: float
    unreadable: int = 0
    left_behind: Mapping[str, tuple[Holder, ...]] = field(default_factory=dict)
    unproved: Collection[str] = ()
    strangers: Mapping[str, tuple[Stranger, ...]] = field(default_factory=dict)
    left_suspended: Collection[str] = ()

    @property
    def cards(self) -> tuple[Card, ...]:
        return self.bench.cards

    def on_card(self, card: Card) -> tuple[Lease, ...]:
        return tuple(lease for lease in self.leases if lease.holds(card.id))

    def leased_mib(self, card: Card) -> int:
        """What leases hold of a card: all of it for one that has it alone."""
        there = self.on_card(card)
        if any(lease.placement.alone for lease in there):
            return card.total_mib
        return min(sum(lease.placement.mib_on(card.id) for lease in there), card.total_mib)


class _Found(Struct, frozen=True):
    """What of the ledger belongs to the living."""

    leases: tuple[Lease, ...] = ()
    requests: tuple[QueuedRequest, ...] = ()
    waiting: int = 0
    unreadable: int = 0
    unproved: Collection[str] = ()
    left_suspended: Collection[str] = ()


def take(bench: Bench, state_dir: Path) -> Snapshot:
    """Look at everything of the living; looking changes nothing, nor makes a ledger."""
    there, seen = _ledger(state_dir), NvmlProbe().read()
    liveness = ProcessLiveness(state_dir / "life") if seen.gpus and there.leases else None
    owned = {} if liveness is None else owners(seen, there.leases, liveness)
    cards = with_external_use(bench.cards, seen, there.leases, owned)
    return Snapshot(
        bench=replace(bench, cards=cards),
        leases=there.leases,
        requests=there.requests,
        waiting=there.waiting,
        inventory=seen,
        now=boot_seconds(),
        unreadable=there.unreadable,
        unproved=there.unproved,
        left_suspended=there.left_suspended,
        strangers=strangers.find(seen, owned.keys()),
        left_behind={x.id: holders.left_behind(x.id, x.job.engine) for x in there.leases},
    )


def leases(state_dir: Path) -> tuple[Lease, ...]:
    """The leases of the living."""
    return _ledger(state_dir).leases


def left_suspended(state_dir: Path) -> tuple[Lease, ...]:
    """Those of the living whose engine died while the job was suspended, or about to be."""
    found = _ledger(state_dir)
    return tuple(lease for lease in found.leases if lease.id in found.left_suspended)


def requests_of(name: str, state_dir: Path) -> tuple[QueuedRequest, ...]:
    """Waiting jobs of this name, or of this rule, wherever they stand; no more than a few.

    Where none is at the front of its engine's queue, the engines are asked for it.
    """
    found = _named(name, there := _ledger(state_dir))
    if found or there.waiting <= len(there.requests):
        return found
    engines = {request.job.engine for request in there.requests}
    _ask(name, engines, state_dir)
    end = time.monotonic() + PATIENCE_S
    while not found and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN_S)
        found = _named(name, _ledger(state_dir))
    return found


def _named(name: str, there: _Found) -> tuple[QueuedRequest, ...]:
    return tuple(r for r in there.requests if is_called(r.job.name, (name,)))


def _ask(name: str, engines: Collection[str], folder: Path) -> None:
    ledger, liveness = SqliteLedger(folder / "ledger.db"), ProcessLiveness(folder / "life")
    try:
        again_if_lost(lambda: _write_question(ledger, name))
    finally:
        ledger.close()
    for engine in engines:
        liveness.notify(engine)


def _write_question(ledger: SqliteLedger, name: str) -> None:
    with ledger.transaction() as entries:
        entries.question(name, boot_seconds())


def _ledger(folder: Path) -> _Found:
    if not os.path.lexists(folder / "ledger.db") and not any((folder / "life").glob("*.lock")):
        lost_ledger.demand_no_orphans(folder / "life")
        return _Found()
    ledger, liveness = SqliteLedger(folder / "ledger.db"), ProcessLiveness(folder / "life")
    try:
        leases, requests, engines, unreadable = again_if_lost(lambda: _entries(ledger))
    finally:
        ledger.close()
    suspended = {x.id: x.job.engine for x in leases if x.placement.suspension is not None}
    alive = liveness.alive({lease.id for lease in leases} | engines.keys() | {*suspended.values()})
    return _Found(
        leases=tuple(lease for lease in leases if lease.id in alive),
        requests=tuple(request for request in requests if request.job.engine in alive),
        waiting=sum(engine.waiting for engine in engines.values() if engine.id in alive),
        unreadable=unreadable,
        unproved=liveness.unproved({lease.id for lease in leases}),
        left_suspended={i for i, engine in suspended.items() if engine not in alive},
    )


def _entries(
    ledger: SqliteLedger,
) -> tuple[tuple[Lease, ...], tuple[QueuedRequest, ...], dict[str, EngineEntry], int]:
    """Leases, requests, engines, and how many requests cannot be read."""
    with ledger.look() as entries:
        requests = entries.requests()
        return entries.leases(), requests, entries.engines(), entries.unreadable
