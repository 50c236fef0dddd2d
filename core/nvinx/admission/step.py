"""The state of the bench, and the one function through which it changes.

`step(state, event)` returns the next state and what the shell must do. It reads no clock, file,
process or GPU: the time comes in with the event and the bench with the state. Which waiting job
may start is decided by `policy.admit`, the only part that is a matter of taste.

    submitted ──► WAITING ──Start──► RUNNING ──► finished
        │            │
        └─ Refuse    └──► withdrawn
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from nvinx.admission.events import (
    CardsChanged,
    Decision,
    Event,
    Finished,
    Refuse,
    Start,
    Submitted,
    Withdrawn,
)
from nvinx.admission.state import Job, Running, State, Waiting
from nvinx.errors import IllegalEventError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.admission.events import Policy
    from nvinx.bench.capacity import Capacity
    from nvinx.reasons import Reason

_T = TypeVar("_T")


# what can happen


# what the shell must do


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
        case CardsChanged(cards=cards):
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
        assert not alone or len(there) == 1, "an exclusive job shares its card"
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
        reason = policy.impossible(job, state.capacity)
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

    def impossible(self, job: Job, capacity: Capacity) -> Reason | None:  # noqa: ARG002
        return None

    def reasons(self, state: State, at: float) -> dict[str, Reason]:  # noqa: ARG002
        return {}
