"""Everybody's leases and requests at one moment, and the cards that they are about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nvinx.gpu.nvml import NvmlProbe
from nvinx.host.clock import boot_seconds
from nvinx.leases import holders
from nvinx.leases.external_use import owners, with_external_use
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.gpu.ports import GpuInventory
    from nvinx.leases.holders import Holder
    from nvinx.leases.ports import Lease, QueuedRequest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is to see; now: seconds since boot, as the times of leases and requests are.

    bench: its cards with what programs outside nvinx use of them. inventory: what the driver said.
    unreadable: how many requests make no sense, and are left out. left_behind: by the id of a
    lease whose job has ended, the processes of it that keep the lease.
    """

    bench: Bench
    leases: tuple[Lease, ...]
    requests: tuple[QueuedRequest, ...]
    inventory: GpuInventory
    now: float
    unreadable: int = 0
    left_behind: Mapping[str, tuple[Holder, ...]] = field(default_factory=dict)

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
        return min(sum(lease.placement.vram_mib for lease in there), card.total_mib)


def take(bench: Bench, state_dir: Path) -> Snapshot:
    """Look at everything of the living; looking changes nothing, nor makes a ledger."""
    held, waiting, unreadable = _ledger(state_dir)
    seen = NvmlProbe().read()
    liveness = ProcessLiveness(state_dir / "life") if seen.gpus and held else None
    owned = {} if liveness is None else owners(seen, held, liveness)
    cards = with_external_use(bench.cards, seen, held, owned)
    kept = {lease.id: holders.left_behind(state_dir, lease.id) for lease in held}
    bench, now = replace(bench, cards=cards), boot_seconds()
    return Snapshot(bench, held, waiting, seen, now, unreadable, kept)


def leases(state_dir: Path) -> tuple[Lease, ...]:
    """The leases of the living."""
    return _ledger(state_dir)[0]


def requests(state_dir: Path) -> tuple[QueuedRequest, ...]:
    """The jobs of the living that wait for a card."""
    return _ledger(state_dir)[1]


def _ledger(folder: Path) -> tuple[tuple[Lease, ...], tuple[QueuedRequest, ...], int]:
    if not (folder / "ledger.db").exists() and not any((folder / "life").glob("*.lock")):
        return (), (), 0
    ledger, liveness = SqliteLedger(folder / "ledger.db"), ProcessLiveness(folder / "life")
    try:
        with ledger.transaction() as entries:
            leases, waiting = entries.leases(), entries.requests()
            unreadable = entries.unreadable
    finally:
        ledger.close()
    alive = liveness.alive({x.id for x in leases} | {r.job.engine for r in waiting})
    held = tuple(x for x in leases if x.id in alive)
    return held, tuple(r for r in waiting if r.job.engine in alive), unreadable
