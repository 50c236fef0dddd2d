"""How much of each card is used by programs that nvinx did not place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nvinx.bench.capacity import Card
    from nvinx.gpu.ports import GpuInventory, GpuState
    from nvinx.leases.ports import Lease, Liveness


def owners(inventory: GpuInventory, leases: Sequence[Lease], liveness: Liveness) -> dict[int, str]:
    """Lease id by pid: processes on the cards that bear a lease's marker, or once bore it.

    One that was seen before counts while its start time says that it still is the same process.
    """
    pids = {process.pid for gpu in inventory.gpus for process in gpu.processes}
    known = {
        pid: lease.id
        for lease in leases
        for pid, start in lease.seen
        if pid in pids and liveness.started(pid) == start
    }
    return known | liveness.owners(pids)


def with_external_use(
    cards: tuple[Card, ...],
    inventory: GpuInventory,
    leases: Sequence[Lease],
    owners: Mapping[int, str],
) -> tuple[Card, ...]:
    """The cards with `foreign_mib` filled in from what the driver shows.

    owners: lease id by pid, for the processes known to belong to nvinx. A simulated card is left
    as it is. A real card that the driver no longer shows gets no room at all.
    """
    gpus = {gpu.id: gpu for gpu in inventory.gpus}
    return tuple(_card_now(card, gpus.get(card.id), leases, owners) for card in cards)


def _card_now(
    card: Card, gpu: GpuState | None, leases: Sequence[Lease], owners: Mapping[int, str]
) -> Card:
    if card.simulated:
        return card
    if gpu is None:
        return replace(card, foreign_mib=card.total_mib)
    if gpu.used_mib is None:
        return replace(card, foreign_mib=0)
    theirs = gpu.used_mib - _ours(card, gpu, leases, owners)
    return replace(card, foreign_mib=max(theirs - card.undeclared_mib, 0))


def shown_mib(lease: Lease, inventory: GpuInventory, owners: Mapping[int, str]) -> int | None:
    """What the driver shows that a lease uses of its first card; None where it shows no such."""
    gpu = next((gpu for gpu in inventory.gpus if gpu.id == lease.placement.card), None)
    if gpu is None or gpu.used_mib is None:
        return None
    used = [p.used_mib for p in gpu.processes if owners.get(p.pid) == lease.id]
    return None if None in used else sum(mib or 0 for mib in used)


def _ours(card: Card, gpu: GpuState, leases: Sequence[Lease], owners: Mapping[int, str]) -> int:
    """What nvinx's jobs use of the card: per process where the driver says, else as leased."""
    there = [lease for lease in leases if lease.holds(card.id)]
    held = {lease.id for lease in there}
    ours = [p for p in gpu.processes if owners.get(p.pid) in held]
    if any(p.used_mib is None for p in ours):
        return sum(lease.placement.mib_on(card.id) for lease in there)
    return sum(p.used_mib or 0 for p in ours)
