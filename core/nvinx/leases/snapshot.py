"""Everybody's leases and requests at one moment, and the cards that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.gpu.nvml import NvmlProbe
from nvinx.host.clock import boot_seconds
from nvinx.leases.external_use import owners, with_external_use
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.gpu.ports import GpuInventory
    from nvinx.leases.ports import Lease, QueuedRequest


class Snapshot(Struct, frozen=True):
    """What there is to see; now: seconds since boot, as the times of leases and requests are.

    bench: its cards with what programs outside nvinx use of them. inventory: what the driver said.
    requests: the first of each engine, in the line's order. waiting: how many there are in all.
    """

    bench: Bench
    leases: tuple[Lease, ...]
    requests: tuple[QueuedRequest, ...]
    waiting: int
    inventory: GpuInventory
    now: float

    @property
    def cards(self) -> tuple[Card, ...]:
        return self.bench.cards

    def on_card(self, card: Card) -> tuple[Lease, ...]:
        return tuple(lease for lease in self.leases if card.id in lease.placement.cards)

    def leased_mib(self, card: Card) -> int:
        """What leases hold of a card: all of it for one that has it alone."""
        there = self.on_card(card)
        if any(lease.placement.alone for lease in there):
            return card.total_mib
        return sum(lease.placement.vram_mib for lease in there)


def take(bench: Bench, state_dir: Path) -> Snapshot:
    """Look at everything of the living; looking changes nothing, nor makes a ledger."""
    leases, requests, waiting = _ledger(state_dir)
    seen = NvmlProbe().read()
    liveness = ProcessLiveness(state_dir / "life") if seen.gpus and leases else None
    owned = {} if liveness is None else owners(seen, leases, liveness)
    cards = with_external_use(bench.cards, seen, leases, owned)
    bench = replace(bench, cards=cards)
    return Snapshot(bench, leases, requests, waiting, seen, boot_seconds())


def requests(state_dir: Path) -> tuple[QueuedRequest, ...]:
    """The first jobs of each living engine that wait for a card."""
    return _ledger(state_dir)[1]


def _ledger(folder: Path) -> tuple[tuple[Lease, ...], tuple[QueuedRequest, ...], int]:
    if not (folder / "ledger.db").exists():
        return (), (), 0
    ledger, liveness = SqliteLedger(folder / "ledger.db"), ProcessLiveness(folder / "life")
    try:
        with ledger.look() as entries:
            leases, requests, engines = entries.leases(), entries.requests(), entries.engines()
    finally:
        ledger.close()
    alive = liveness.alive({x.id for x in leases} | engines.keys())
    held = tuple(x for x in leases if x.id in alive)
    first = tuple(r for r in requests if r.job.engine in alive)
    return held, first, sum(e.waiting for e in engines.values() if e.id in alive)
