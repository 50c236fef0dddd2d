"""The leases of suspended jobs in the ledger: where they are is written down before they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.events import CameBack, Stayed, Suspended
from nvinx.admission.job import Running
from nvinx.leases.ports import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.admission.events import Event
    from nvinx.admission.job import Placement
    from nvinx.admission.state import State
    from nvinx.leases.ports import Transaction


def write_down(entries: Transaction, own: State, event: Event) -> None:
    """That a job of ours has left its card, has stayed there, or is back.

    own: our state after the event.
    """
    if not isinstance(event, Suspended | Stayed | CameBack):
        return
    if event.job_id in own.running:
        _move(entries, own.running[event.job_id])
    else:
        job = own.waiting[event.job_id].job
        _move(entries, Running(job, own.suspended[event.job_id], event.at))


def take_room(entries: Transaction, one: Running) -> None:
    """Give a suspended job room on its card again, before anything is put there; also one whose
    lease somebody let go.
    """
    lease = Lease(one.job, one.placement, one.since)
    if any(held.id == lease.id for held in entries.leases()):
        entries.move(lease)
    else:
        entries.hold(lease)


def off_card(leases: Iterable[Lease]) -> dict[str, Placement]:
    """What those hold whose memory is in RAM, by job id: that RAM is gone for everybody."""
    return {lease.id: lease.placement for lease in leases if lease.placement.is_off_card}


def of_guest(placement: Placement) -> Placement:
    """What another engine's job holds of the RAM that all share: its GPU memory alone."""
    suspension = placement.suspension
    return replace(placement, ram_mib=0 if suspension is None else suspension.ram_mib)


def _move(entries: Transaction, one: Running) -> None:
    entries.move(Lease(one.job, one.placement, one.since))
