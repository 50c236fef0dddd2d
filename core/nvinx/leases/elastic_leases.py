"""The leases that asked for a range of VRAM, and what each holds and may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.admission.budgets import Rebudget
    from nvinx.admission.job import Budget, Placement
    from nvinx.leases.ports import Budgets, Lease, Transaction


class ElasticLeases:
    """Those of all engines, as of the last look at the ledger. port: how their jobs are told."""

    def __init__(self, port: Budgets | None) -> None:
        self._port = port
        self._by_id: dict[str, Lease] = {}

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._by_id

    def placement(self, lease_id: str) -> Placement | None:
        lease = self._by_id.get(lease_id)
        return None if lease is None else lease.placement

    def as_held(
        self, entries: Transaction, leases: Iterable[Lease], shown_mib: Mapping[str, int | None]
    ) -> tuple[Lease, ...]:
        """All leases that there are, those of a range with what they hold now.

        shown_mib: what the cards show of those that asked for a range, where they show anything.
        """
        self._by_id.clear()
        return tuple(self._held(entries, lease, shown_mib.get(lease.id)) for lease in leases)

    def _held(self, entries: Transaction, lease: Lease, shown_mib: int | None) -> Lease:
        """It holds what it held before until it has shrunk, which is written down, and what the
        card shows of it where that is more.
        """
        budget, placement = lease.placement.budget, lease.placement
        if budget is None:
            return lease
        if lease.problem is not None:
            return replace(lease, placement=replace(placement, budget=None))
        if placement.is_shrinking and self._has_shrunk(lease.id, budget, shown_mib):
            placement = replace(placement, vram_mib=budget.mib)
            lease = replace(lease, placement=placement)
            entries.rebudget(lease)
        self._by_id[lease.id] = lease
        if shown_mib is None or shown_mib <= placement.vram_mib:
            return lease
        return replace(lease, placement=replace(placement, vram_mib=shown_mib))

    def _has_shrunk(self, lease_id: str, budget: Budget, shown_mib: int | None) -> bool:
        """Whether the job says that it keeps to its budget; or, having been told by a signal that
        it listens for, is seen to.

        One that hears nothing holds its promise, however little it uses just now.
        """
        if self._port is None:
            return False
        is_seen_to = shown_mib is not None and shown_mib <= budget.mib
        return self._port.is_kept(lease_id, budget) or (
            is_seen_to and self._port.is_heard(lease_id, budget)
        )

    def rebudget(self, entries: Transaction, decided: Iterable[Rebudget], at: float) -> None:
        """Write down who may use less or more from now on, of whichever engine."""
        for one in decided:
            lease = self._by_id.get(one.job_id)
            if lease is not None:
                placement = lease.placement.with_budget(one.mib, one.to, at)
                self._by_id[lease.id] = replace(lease, placement=placement)
                entries.rebudget(self._by_id[lease.id])

    def enter(self, lease: Lease) -> None:
        """Count in a lease that is new in the ledger, if it is one of these."""
        if lease.placement.budget is not None:
            self._by_id[lease.id] = lease

    def tell(self) -> None:
        """Tell the jobs how much they may use, if they do not know."""
        for lease in self._by_id.values():
            if self._port is not None and lease.placement.budget is not None:
                self._port.tell(lease.id, lease.placement.budget, lease.seen)
