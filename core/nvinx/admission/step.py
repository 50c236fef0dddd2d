"""How the state of a bench changes: `apply` takes note of an event, `admit` starts who may start.

Neither reads a clock, file, process or GPU: the time comes in with the event and the bench with the
state. Which waiting job starts is for a policy to decide.

    submitted ──► WAITING ──Start──► RUNNING ──► finished
        │            │                 │  ▲
        └─ Refuse    ├──► withdrawn    └──┘ Reclaim: it is to give its card back
                     │                 │    Rebudget: it may use less or more of its card
                     └◄── Suspended ────┘    (Stayed: it does not; CameBack: it has its memory)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from nvinx.admission import suspending
from nvinx.admission.events import (
    CameBack,
    CardsChanged,
    Finished,
    Refuse,
    Stayed,
    Submitted,
    Suspended,
    Withdrawn,
)
from nvinx.admission.job import GivenBack, Running, Waiting
from nvinx.errors import IllegalEventError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.admission.budgets import Rebudget
    from nvinx.admission.events import Decision, Event, Moved, Policy, Reclaim, Round
    from nvinx.admission.state import State

_T = TypeVar("_T")


def step(state: State, event: Event, policy: Policy) -> tuple[State, tuple[Decision, ...]]:
    """Apply one event, then start whatever the policy admits. Raises IllegalEventError."""
    state, refused = apply(state, event, policy)
    state, decided = admit(state, event.at, policy)
    return state, (*refused, *decided.starts, *decided.reclaims)


def apply(state: State, event: Event, policy: Policy) -> tuple[State, tuple[Refuse, ...]]:
    """The state after the event, and which submitted jobs can never run; nothing starts.

    Raises IllegalEventError, and changes nothing, when the event names a job that is not in a
    state to take it.
    """
    match event:
        case Submitted():
            return _submit(state, event, policy)
        case Finished(job_id=job_id):
            state = _finish(state, job_id)
        case Withdrawn(job_ids=job_ids):
            for job_id in job_ids:
                is_new = job_id in state.waiting and job_id not in state.suspended
                _demand(job_id, "withdrawn", waiting=is_new)
            state = replace(state, waiting=state.waiting.minus(job_ids))
        case CardsChanged(cards=cards):
            state = replace(state, capacity=replace(state.capacity, cards=cards))
        case Suspended() | Stayed() | CameBack():
            state = _move(state, event)
    return state, ()


def admit(state: State, at: float, policy: Policy) -> tuple[State, Round]:
    """One round at time `at` (seconds): the state in which those run who start, and the round.

    Those that are to give their card back run on in it, and say so.
    """
    decided = policy.decide(state, at)
    if not decided.starts and not decided.reclaims and not decided.budgets:
        return state, decided
    running, suspended = dict(state.running), dict(state.suspended)
    for reclaim in decided.reclaims:
        running[reclaim.job_id] = _giving_back(running[reclaim.job_id], reclaim, at)
    for budget in decided.budgets:
        running[budget.job_id] = _rebudgeted(running[budget.job_id], budget, at)
    for start in decided.starts:
        job, held = state.waiting[start.job_id].job, suspended.pop(start.job_id, None)
        running[start.job_id] = (
            Running(job, start.placement, at)
            if held is None
            else suspending.coming_back(job, held, start.placement, at)
        )
    waiting = state.waiting.minus([start.job_id for start in decided.starts])
    return replace(state, waiting=waiting, running=running, suspended=suspended), decided


def check(state: State) -> None:
    """The invariants, as assertions: tests call this after every step."""
    assert not any(job_id in state.waiting for job_id in state.running), "a job waits and runs"
    cores = sum(r.job.claim.cores for r in state.running.values())
    assert cores <= state.capacity.cores, "cores over capacity"
    if state.capacity.ram_mib is not None:
        ram = sum(r.placement.ram_mib for r in state.running.values())
        ram += sum(held.ram_mib for held in state.suspended.values())
        assert ram <= state.capacity.ram_mib, "RAM over capacity"
    for card in state.capacity.cards:
        there = state.on_card(card.id)
        alone = any(r.placement.alone for r in there)
        assert not alone or len(there) == 1, "an exclusive job shares its card"
        held = sum(r.placement.mib_on(card.id) for r in there)
        limit = card.total_mib if alone else card.shareable_mib
        assert held <= limit, "VRAM over budget"
    for running in state.running.values():
        held_cards = running.placement.cards
        assert len(set(held_cards)) == len(held_cards), "a job holds a card twice"
        assert not held_cards or len(held_cards) >= running.job.claim.cards.least, "a card short"


def _submit(state: State, event: Submitted, policy: Policy) -> tuple[State, tuple[Refuse, ...]]:
    waiting: dict[str, Waiting] = {}
    refused = []
    for job in event.jobs:
        known = job.id in waiting or job.id in state.waiting or job.id in state.running
        _demand(job.id, "submitted", new=not known)
        reason = policy.impossible(job, state.capacity)
        if reason is None:
            waiting[job.id] = Waiting(job, event.since.get(job.id, event.at))
        else:
            refused.append(Refuse(job.id, reason))
    queue = state.waiting.plus(waiting.values()) if waiting else state.waiting
    return replace(state, waiting=queue), tuple(refused)


def _finish(state: State, job_id: str) -> State:
    """What the job held is free: on a card, or in RAM where it ended while it was suspended."""
    is_off_card = job_id in state.suspended and job_id in state.waiting
    _demand(job_id, "finished", running=job_id in state.running, suspended=is_off_card)
    if not is_off_card:
        return replace(state, running=_without(state.running, (job_id,)))
    waiting, suspended = state.waiting.minus([job_id]), _without(state.suspended, (job_id,))
    return replace(state, waiting=waiting, suspended=suspended)


def _move(state: State, event: Moved) -> State:
    """A job of ours has left its card, could not, or is back on it."""
    job_id = event.job_id
    _demand(job_id, type(event).__name__.lower(), running=job_id in state.running)
    one = state.running[job_id]
    suspension = one.placement.suspension
    if isinstance(event, Stayed):
        return replace(state, running={**state.running, job_id: suspending.stays(one)})
    if isinstance(event, CameBack):
        return replace(state, running={**state.running, job_id: suspending.is_back(one)})
    if suspension is None:
        raise IllegalEventError(job_id, "suspended", ("leaving",))
    waiting = suspending.off_card(one, suspension, event.used_mib, event.at)
    held = waiting.job.suspended
    suspended = state.suspended if held is None else {**state.suspended, job_id: held}
    running = _without(state.running, (job_id,))
    queue = state.waiting.plus([waiting])
    return replace(state, waiting=queue, running=running, suspended=suspended)


def _giving_back(one: Running, reclaim: Reclaim, at: float) -> Running:
    if suspending.suspends(one.job.claim):
        return suspending.leaving(one, reclaim.to, at + reclaim.grace_s)
    given_back = GivenBack(reclaim.to, at + reclaim.grace_s)
    return replace(one, placement=replace(one.placement, given_back=given_back))


def _rebudgeted(one: Running, budget: Rebudget, at: float) -> Running:
    return replace(one, placement=one.placement.with_budget(budget.mib, budget.to, at))


def _without(entries: Mapping[str, _T], ids: Iterable[str]) -> dict[str, _T]:
    rest = dict(entries)
    for job_id in ids:
        del rest[job_id]
    return rest


def _demand(job_id: str, event: str, **allowed: bool) -> None:
    if not any(allowed.values()):
        raise IllegalEventError(job_id, event, tuple(allowed))
