"""Everybody's leases and requests, merged into the state of one engine before it decides.

Other engines' jobs are guests: they count on the cards alone, since cores and RAM are their own
engine's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.job import Running, Waiting
from nvinx.admission.policy import options
from nvinx.admission.waiting_queue import position
from nvinx.errors import IllegalEventError
from nvinx.leases import external_use, suspended_leases
from nvinx.leases.elastic_leases import ElasticLeases
from nvinx.leases.external_use import owners, with_external_use
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nvinx.admission.job import Job, Placement
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.leases.ports import EngineEntry, Lease, Ports, QueuedRequest, Transaction

_FRONT = 8  # of all that others show: those that could start next, or for which room is kept
UNHEARD_AFTER_S = 5.0  # that an engine is given to say why it starts nothing
_GUEST = "guest:"


class Everyone:
    """All engines of the machine, as this one sees them inside one transaction.

    us: our own entry as of the last look. near: engines with jobs at the front of the line. asked:
    those of them that owe somebody an answer. ahead: how many jobs of others stood there before
    the first of ours. judging: those near whose jobs wait for what only they believe of sharing.
    elastic: the leases that asked for a range of VRAM.
    """

    def __init__(self, engine: str, ports: Ports) -> None:
        self._engine, self._ports = engine, ports
        self._asked_at: dict[str, float] = {}
        self.elastic = ElasticLeases(ports.budgets)
        self.us: EngineEntry | None = None
        self.near: set[str] = set()
        self.judging: set[str] = set()
        self.asked: set[str] = set()
        self.ahead = 0

    def merge(
        self, entries: Transaction, own: State, new: Collection[str] = (), gone: str | None = None
    ) -> State:
        """Our state with everybody else's leases and requests.

        Of the requests only those at the front of the line, since nobody further back can start
        before these. The leases and requests of the dead are dropped; those of the silent do not
        count. new: ids that were just submitted. gone: a job of ours that ended and left no
        process. Raises IllegalEventError where somebody else has such an id.
        """
        leases = self.living_leases(entries, gone)
        _demand_new(new, (lease.id for lease in leases))
        self._demand_unasked(entries, new)
        cards, shown_mib = self._cards(entries, own.capacity.cards, leases)
        leases = self.elastic.as_held(entries, leases, shown_mib)
        left = None if self._ports.ram_left is None else self._ports.ram_left()
        capacity = replace(own.capacity, cards=cards, ram_left_mib=left)
        running, deaf = dict(own.running), self._deaf(leases)
        off_card = suspended_leases.off_card(leases)
        guests_off = {i: suspended_leases.of_guest(held) for i, held in off_card.items()}
        for lease in (lease.on_these([card.id for card in cards]) for lease in leases):
            if lease.id in running and lease.id in self.elastic:
                running[lease.id] = replace(running[lease.id], placement=lease.placement)
            elif lease.id not in running and lease.id not in off_card:
                placement = _as_guest(lease.placement)
                job = _unasked(lease.job) if lease.job.engine in deaf else lease.job
                running[lease.id] = Running(_guest(job), placement, lease.since)
        seen = (replace(w, job=_as_seen_here(w.job, capacity)) for w in self._guests(entries))
        guests = [w for w in seen if _wants_card(w.job, capacity)]
        self.ahead = _ahead(guests, own)
        queue = own.waiting.plus(guests) if guests else own.waiting
        suspended = guests_off | dict(own.suspended)
        return replace(own, capacity=capacity, running=running, waiting=queue, suspended=suspended)

    def _deaf(self, leases: Iterable[Lease]) -> set[str]:
        """Engines that died, and so end no job that agreed to give its card back."""
        engines = {lease.job.engine for lease in leases if lease.job.claim.preemptible}
        return engines - self._ports.liveness.alive(engines) if engines else engines

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
    ) -> tuple[tuple[Card, ...], dict[str, int | None]]:
        """The cards with their external use, and what they show of each lease of a range of VRAM.

        New processes of leases are noted.
        """
        if self._ports.probe is None:
            return cards, {}
        inventory = self._ports.probe.read()
        owned = owners(inventory, leases, self._ports.liveness)
        shown_mib = {
            lease.id: external_use.shown_mib(lease, inventory, owned)
            for lease in leases
            if lease.placement.budget is not None
        }
        for lease in leases:
            known = dict(lease.seen)
            mine = [pid for pid, token in owned.items() if token == lease.id and pid not in known]
            fresh = [(pid, start) for pid in mine if (start := self._ports.liveness.started(pid))]
            if fresh:
                entries.note(replace(lease, seen=(*lease.seen, *fresh)))
        return with_external_use(cards, inventory, leases, owned), shown_mib

    def _guests(self, entries: Transaction) -> list[Waiting]:
        """Other engines' jobs that stand in line; what the dead asked for is taken out."""
        requests = entries.requests(but=self._engine, most=_FRONT)
        engines = entries.engines({r.job.engine for r in requests} | {self._engine})
        self.us = engines.pop(self._engine, None)
        alive = self._ports.liveness.alive(engines)
        for engine in engines.keys() - alive:
            entries.leave(engine)
        now, change = self._ports.clock(), entries.change()
        self.near = alive
        self.judging = alive & {r.job.engine for r in requests if _is_of_judgement(r)}
        self.asked = {e for e in alive if engines[e].owes_answer}
        silent = {e for e in self.asked if now - engines[e].asked_at > UNHEARD_AFTER_S}
        held = {e for e in alive if engines[e].seen == change or self._declined(engines[e])}
        return [
            Waiting(_as_asked(r), r.since, held=r.job.engine in held)
            for r in requests
            if r.job.engine in alive - silent
        ]

    def _declined(self, engine: EngineEntry) -> bool:
        """Whether it answered since we first asked, after which nothing of ours started."""
        first = self._asked_at.get(engine.id)
        return first is not None and engine.answered_at > first

    def ask(self, entries: Transaction, engine: str) -> None:
        """Ask an engine to decide, since it could start a job; it answers in the ledger."""
        now = self._ports.clock()
        self._asked_at.setdefault(engine, now)
        if engine not in self.asked:
            entries.ask(engine, self._engine, now)

    def forget_answers(self) -> None:
        """A job of ours started: others have the first word again."""
        self._asked_at.clear()

    def _demand_unasked(self, entries: Transaction, new: Collection[str]) -> None:
        """Raise IllegalEventError where a living engine asks for such an id; the dead leave."""
        if not new:
            return
        others = entries.requested_by(new)
        engines = set(others.values()) - {self._engine}
        alive = self._ports.liveness.alive(engines)
        for engine in engines - alive:
            entries.leave(engine)
        _demand_new(new, (job_id for job_id, engine in others.items() if engine in alive))


def _is_of_judgement(request: QueuedRequest) -> bool:
    return request.reason is not None and request.reason.of_judgement


def _as_asked(request: QueuedRequest) -> Job:
    """A guest; one whose engine believes that sharing is bad for it, as if it wanted a whole card.

    Else newcomers that know nothing of its reasons would fill the card for ever.
    """
    job = _guest(request.job)
    if not _is_of_judgement(request):
        return job
    return replace(job, claim=job.claim.with_whole_card())


def _ahead(guests: Iterable[Waiting], own: State) -> int:
    """How many of others stand before the first of ours."""
    first = next(own.waiting.in_line(on_cpu=False), None)
    if first is None:
        return 0
    place = position(first)
    return sum(position(guest) < place for guest in guests)


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


def _unasked(job: Job) -> Job:
    """The job, which nobody is to ask for its card."""
    return replace(job, claim=replace(job.claim, preemptible=None))


def _as_guest(placement: Placement) -> Placement:
    """The RAM that a model spills into, or is suspended to, is gone for everybody; other RAM counts
    there only.
    """
    spills = placement.residency is Residency.GPU_RAM_OVERFLOW
    return placement if spills else suspended_leases.of_guest(placement)


def _as_seen_here(job: Job, capacity: Capacity) -> Job:
    """A job of more cards than we may see wants all of those that we see."""
    number = len(capacity.cards)
    if not 0 < number < job.claim.cards.least:
        return job
    return replace(job, claim=job.claim.with_cards(number))


def _wants_card(job: Job, capacity: Capacity) -> bool:
    return any(residency.uses_gpu for residency in options(job.claim, capacity))
