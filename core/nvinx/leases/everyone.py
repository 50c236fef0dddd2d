"""Everybody's leases and requests, merged into the state of one engine before it decides.

Other engines' jobs are guests: they count on the cards alone, since cores and RAM are their own
engine's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nvinx.admission.policy import options
from nvinx.admission.state import Running, Waiting
from nvinx.catalog import Residency
from nvinx.errors import IllegalEventError
from nvinx.leases.external_use import owners, with_external_use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nvinx.admission.state import Job, Placement, State
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.leases.ports import Lease, Ports, QueuedRequest, Transaction
    from nvinx.reasons import Reason

UNHEARD_AFTER_S = 10.0
_GUEST = "guest:"


class Everyone:
    """All engines of the machine, as this one sees them inside one transaction."""

    def __init__(self, engine: str, ports: Ports) -> None:
        self._engine, self._ports = engine, ports

    def merge(
        self, entries: Transaction, own: State, new: Collection[str] = (), gone: str | None = None
    ) -> State:
        """Our state with everybody else's leases and requests, in no order yet.

        The leases and requests of the dead are dropped; those of the silent do not count. new: ids
        that were just submitted. gone: a job of ours that ended and left no process. Raises
        IllegalEventError where somebody else has such an id.
        """
        leases = self.living_leases(entries, gone)
        _demand_new(new, (lease.id for lease in leases))
        cards = self._cards(entries, own.capacity.cards, leases)
        left = None if self._ports.ram_left is None else self._ports.ram_left()
        capacity = replace(own.capacity, cards=cards, ram_left_mib=left)
        running, waiting = dict(own.running), dict(own.waiting)
        for lease in (lease.on_these([card.id for card in cards]) for lease in leases):
            if lease.id not in running:
                placement = _as_guest(lease.placement)
                running[lease.id] = Running(_guest(lease.job), placement, lease.since)
        for request in self._requests(entries, own, new):
            job = _guest(request.job)
            if _wants_card(job, capacity):
                waiting[request.id] = Waiting(job, request.since)
        return replace(own, capacity=capacity, running=running, waiting=waiting)

    def living_leases(self, entries: Transaction, gone: str | None = None) -> tuple[Lease, ...]:
        """All leases but those of the dead, which are dropped here and now."""
        leases = entries.leases()
        alive = self._ports.liveness.alive([lease.id for lease in leases if lease.id != gone])
        silent = [lease for lease in leases if lease.id not in alive]
        if silent and self._ports.probe is not None:
            on_gpu = {p.pid for gpu in self._ports.probe.read().gpus for p in gpu.processes}
            alive |= {lease.id for lease in silent if self._is_on_gpu(lease, on_gpu)}
        for lease in silent:
            if lease.id not in alive:
                entries.drop(lease.id)
        return tuple(lease for lease in leases if lease.id in alive)

    def _is_on_gpu(self, lease: Lease, pids: set[int]) -> bool:
        """The third sign: a process once known as the job's is still on a GPU."""
        started = self._ports.liveness.started
        return any(pid in pids and started(pid) == start for pid, start in lease.seen)

    def _cards(
        self, entries: Transaction, cards: tuple[Card, ...], leases: tuple[Lease, ...]
    ) -> tuple[Card, ...]:
        """The cards with their external use; new processes of leases are noted."""
        if self._ports.probe is None:
            return cards
        inventory = self._ports.probe.read()
        owned = owners(inventory, leases, self._ports.liveness)
        for lease in leases:
            known = dict(lease.seen)
            mine = [pid for pid, token in owned.items() if token == lease.id and pid not in known]
            fresh = [(pid, start) for pid in mine if (start := self._ports.liveness.started(pid))]
            if fresh:
                entries.note(replace(lease, seen=(*lease.seen, *fresh)))
        return with_external_use(cards, inventory, leases, owned)

    def _requests(
        self, entries: Transaction, own: State, new: Collection[str]
    ) -> list[QueuedRequest]:
        """Other engines' requests that count; those of the dead are taken out."""
        now = self._ports.clock()
        others = entries.requests(but=own.waiting.keys() - set(new))
        engines = self._ports.liveness.alive({r.job.engine for r in others}) - {self._engine}
        _demand_new(new, (r.id for r in others if r.job.engine in engines))
        standing = []
        for request in others:
            if request.job.engine not in engines:
                entries.dequeue(request.id)
            elif now - request.heartbeat_at < UNHEARD_AFTER_S and not _lacks_machine(
                request.reason
            ):
                standing.append(request)
        return standing


def _demand_new(new: Collection[str], known: Iterable[str]) -> None:
    for job_id in known:
        if job_id in new:
            raise IllegalEventError(job_id, "submitted", ("new",))


def engine_of(job: Job) -> str:
    """Whose job it is, a guest or our own."""
    return job.engine.removeprefix(_GUEST)


def _guest(job: Job) -> Job:
    claim = replace(job.claim, cores=0, ram_mib=0)
    return replace(job, claim=claim, engine=_GUEST + job.engine)


def _as_guest(placement: Placement) -> Placement:
    """The RAM that a model spills into is gone for everybody; other RAM counts there only."""
    spills = placement.residency is Residency.GPU_RAM_OVERFLOW
    return placement if spills else replace(placement, ram_mib=0)


def _wants_card(job: Job, capacity: Capacity) -> bool:
    return any(residency.uses_gpu for residency in options(job.claim, capacity))


def _lacks_machine(reason: Reason | None) -> bool:
    return reason is not None and reason.of_machine
