"""The state of the bench, and the one function through which it changes.

`step(state, event)` returns the next state and what the shell must do. It reads no clock, file,
process or GPU: the time comes in with the event and the bench with the state. Which waiting job
may start is decided by `policy.admit`, the only part that is a matter of taste.

    submitted ──► WAITING ──Start──► RUNNING ──► finished
        │            │
        └─ Refuse    └──► withdrawn
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from nvinx.catalog import Residency
from nvinx.errors import IllegalEventError
from nvinx.history.statistics import Outcome
from nvinx.sizes import CONTEXT_MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.admission.policy import Policy
    from nvinx.jobs.claim import Claim
    from nvinx.reasons import Reason, Why

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One GPU. Sizes are whole MiB.

    total_mib: what nvinx may use of it at most. device_mib: all that there is, where that is more.
    foreign_mib: what strangers to nvinx use right now of what nvinx may use.
    """

    id: str
    index: int
    name: str
    total_mib: int
    headroom_mib: int = 0
    foreign_mib: int = 0
    simulated: bool = False
    device_mib: int = 0

    @property
    def undeclared_mib(self) -> int:
        """What is left to strangers, since the bench file declares less than there is."""
        return max(self.device_mib - self.total_mib, 0)

    @property
    def shareable_mib(self) -> int:
        """What shared jobs may hold together when no stranger is on the card."""
        return max(self.total_mib - self.headroom_mib, 0)

    @property
    def budget_mib(self) -> int:
        """What shared jobs may hold together right now."""
        return max(self.shareable_mib - self.foreign_mib, 0)

    @property
    def alone_mib(self) -> int:
        """What a job that holds the card alone may use right now."""
        return max(self.total_mib - self.foreign_mib, 0)

    @property
    def weights_mib(self) -> int:
        """What a job that spills may put on the card right now, its context aside."""
        return max(self.budget_mib - (0 if self.simulated else CONTEXT_MIB), 0)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Everything there is to hand out: cards, CPU cores, and RAM in MiB (None: not counted).

    ram_left_mib: RAM that nobody uses right now, for jobs that spill; None where nobody looked.
    """

    cards: tuple[Card, ...] = ()
    cores: int = 1
    ram_mib: int | None = None
    ram_left_mib: int | None = None

    def card(self, card_id: str) -> Card:
        return next(c for c in self.cards if c.id == card_id)


@dataclass(frozen=True, slots=True)
class Job:
    """A claim with an identity: `id` is unique on the machine, `name` is what people call it."""

    id: str
    name: str
    claim: Claim
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a job runs and what it holds there; `card` is None on the CPU.

    more: further cards, which a job that spills holds as well.
    """

    residency: Residency
    why: Why
    card: str | None = None
    vram_mib: int = 0
    ram_mib: int = 0
    disk_mib: int = 0
    more: tuple[str, ...] = ()

    @property
    def cards(self) -> tuple[str, ...]:
        return () if self.card is None else (self.card, *self.more)

    @property
    def alone(self) -> bool:
        return self.residency in (Residency.GPU_EXCLUSIVE, Residency.GPU_RAM_OVERFLOW)


@dataclass(frozen=True, slots=True)
class Waiting:
    job: Job
    since: float


@dataclass(frozen=True, slots=True)
class Running:
    job: Job
    placement: Placement
    since: float


@dataclass(frozen=True, slots=True)
class State:
    """A snapshot of the bench. `step` returns a new one; nothing ever edits this one.

    `waiting` is in the policy's order; whoever adds to it by hand asks `policy.in_line`.
    """

    capacity: Capacity
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)

    def on_card(self, card_id: str) -> tuple[Running, ...]:
        return tuple(r for r in self.running.values() if card_id in r.placement.cards)


# what can happen


@dataclass(frozen=True, slots=True)
class Submitted:
    """Jobs became ready, in the order in which they were handed over."""

    jobs: tuple[Job, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A running job ended, in success or failure; what it held is free.

    peak_mib: the most VRAM it was seen to use, None where nobody saw.
    """

    job_id: str
    at: float
    outcome: Outcome = Outcome.OK
    peak_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Waiting jobs are no longer wanted."""

    job_ids: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Looked:
    """The bench was looked at again: cards may have come or gone, strangers may use them."""

    cards: tuple[Card, ...]
    at: float


Event: TypeAlias = Submitted | Finished | Withdrawn | Looked


# what the shell must do


@dataclass(frozen=True, slots=True)
class Start:
    job_id: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class Refuse:
    """The job can never run on this bench; it was not queued."""

    job_id: str
    reason: Reason


Decision: TypeAlias = Start | Refuse


def step(state: State, event: Event, policy: Policy) -> tuple[State, tuple[Decision, ...]]:
    """Apply one event, then start whatever `policy` admits.

    Raises IllegalEventError, and changes nothing, when the event names a job that is not in a
    state to take it.
    """
    refused: tuple[Refuse, ...] = ()
    match event:
        case Submitted(jobs=jobs, at=at):
            state, refused = _submit(state, jobs, at, policy)
        case Finished(job_id=job_id):
            _demand(job_id, "finished", running=job_id in state.running)
            state = replace(state, running=_without(state.running, (job_id,)))
        case Withdrawn(job_ids=job_ids):
            for job_id in job_ids:
                _demand(job_id, "withdrawn", waiting=job_id in state.waiting)
            state = replace(state, waiting=_without(state.waiting, job_ids))
        case Looked(cards=cards):
            state = replace(state, capacity=replace(state.capacity, cards=cards))
    return _admit(state, event.at, policy, refused)


def check(state: State) -> None:
    """The invariants, as assertions: tests call this after every step."""
    assert not set(state.waiting) & set(state.running), "a job both waits and runs"
    cores = sum(r.job.claim.cores for r in state.running.values())
    assert cores <= state.capacity.cores, "cores over capacity"
    if state.capacity.ram_mib is not None:
        ram = sum(r.placement.ram_mib for r in state.running.values())
        assert ram <= state.capacity.ram_mib, "RAM over capacity"
    for card in state.capacity.cards:
        there = state.on_card(card.id)
        alone = any(r.placement.alone for r in there)
        assert not alone or len(there) == 1, "an exclusive job has company"
        held = sum(r.placement.vram_mib for r in there if r.placement.card == card.id)
        limit = card.total_mib if alone else card.shareable_mib
        assert held <= limit, "VRAM over budget"


def _submit(
    state: State, jobs: Iterable[Job], at: float, policy: Policy
) -> tuple[State, tuple[Refuse, ...]]:
    waiting, refused = dict(state.waiting), []
    for job in jobs:
        known = job.id in waiting or job.id in state.running
        _demand(job.id, "submitted", new=not known)
        reason = policy.never(job, state.capacity)
        if reason is None:
            waiting[job.id] = Waiting(job, at)
        else:
            refused.append(Refuse(job.id, reason))
    return replace(state, waiting=policy.in_line(waiting)), tuple(refused)


def _admit(
    state: State, at: float, policy: Policy, refused: tuple[Refuse, ...]
) -> tuple[State, tuple[Decision, ...]]:
    starts = policy.admit(state, at)
    if not starts:
        return state, refused
    running = dict(state.running)
    for start in starts:
        running[start.job_id] = Running(state.waiting[start.job_id].job, start.placement, at)
    waiting = _without(state.waiting, tuple(s.job_id for s in starts))
    return replace(state, waiting=waiting, running=running), (*refused, *starts)


def _without(entries: Mapping[str, _T], ids: Iterable[str]) -> dict[str, _T]:
    rest = dict(entries)
    for job_id in ids:
        del rest[job_id]
    return rest


def _demand(job_id: str, event: str, **allowed: bool) -> None:
    if not any(allowed.values()):
        raise IllegalEventError(job_id, event, tuple(allowed))


class Nothing:
    """Starts nothing: for a state that is about to be completed before anything is decided."""

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        return dict(waiting)

    def admit(self, state: State, at: float) -> tuple[Start, ...]:  # noqa: ARG002
        return ()

    def never(self, job: Job, capacity: Capacity) -> Reason | None:  # noqa: ARG002
        return None

    def reasons(self, state: State, at: float) -> dict[str, Reason]:  # noqa: ARG002
        return {}
