"""A workload played through the same rounds that decide for real jobs. Pure.

Time jumps from event to event. A job on a card works at 1 / slowdown of its speed, as the truth has
it for whoever is beside it; the policy sees only what was declared and what it estimates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nvinx.admission import explain
from nvinx.admission.co_residency import CoResidency
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Finished, Round, Submitted
from nvinx.admission.planner.work import Upcoming
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, check
from nvinx.errors import WorkloadError
from nvinx.history.sharing import Settled
from nvinx.history.statistics import RunStatistics

if TYPE_CHECKING:
    from nvinx.admission.events import Event, Policy, Start
    from nvinx.admission.job import Placement
    from nvinx.admission.planner.planner import Planner
    from nvinx.bench.capacity import Capacity
    from nvinx.history.runs import PastRun
    from nvinx.reasons import Reason
    from nvinx.simulation.workload import Workload

_DONE_S = 1e-9


@dataclass(frozen=True, slots=True)
class Played:
    """What one task did. partners: who shared its card at any time. waited_for: its last reason.

    is_guessed: as in `Task`.
    """

    name: str
    ready_s: float
    start_s: float
    end_s: float
    placement: Placement
    partners: tuple[str, ...]
    waited_for: Reason | None
    is_guessed: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """A workload played to its end; gpu_busy_s: time with a job on it, by card id.

    past: what a history remembers of the tasks, in the order in which they ended.
    """

    tasks: tuple[Played, ...]
    gpu_busy_s: dict[str, float]
    past: tuple[PastRun, ...] = ()

    @property
    def makespan_s(self) -> float:
        return max((task.end_s for task in self.tasks), default=0.0)


def simulate(
    workload: Workload,
    capacity: Capacity,
    policy: Policy,
    truth: Estimates | None = None,
    statistics: RunStatistics | None = None,
    planner: Planner | None = None,
) -> Simulation:
    """Play the workload. truth: the real slowdowns; none, by default.

    statistics: is told of each task that ends, as in a real run. planner: looks ahead before each
    round. Raises WorkloadError for a task that can never run on this bench.
    """
    statistics = RunStatistics(sharing=Settled()) if statistics is None else statistics
    statistics.learn()
    play = _Play(workload, State(capacity), policy, truth or Estimates(), statistics)
    play.planner = planner
    return play.run()


@dataclass
class _Live:
    """A task that runs: how much of its work is left, in seconds alone."""

    ready_s: float
    start_s: float
    left_s: float
    placement: Placement
    waited_for: Reason | None
    partners: set[str] = field(default_factory=set)


class _Play:
    def __init__(
        self,
        workload: Workload,
        state: State,
        policy: Policy,
        truth: Estimates,
        statistics: RunStatistics,
    ) -> None:
        self._workload = workload
        self._state = state
        self._policy = policy
        self._truth = truth
        self.planner: Planner | None = None
        self._at = 0.0
        self._live: dict[str, _Live] = {}
        self._done: dict[str, Played] = {}
        self._past: list[PastRun] = []
        self._ready_s: dict[str, float] = {}
        self._round = Round()
        self._needs = {name: set(task.after) for name, task in workload.tasks.items()}
        self._behind: dict[str, list[str]] = defaultdict(list)
        for name, task in workload.tasks.items():
            for need in set(task.after):
                self._behind[need].append(name)
        self._free = {n: t.release_s for n, t in workload.tasks.items() if not self._needs[n]}
        self._statistics = statistics
        self._co_residency = CoResidency()
        self._busy_s = {card.id: 0.0 for card in state.capacity.cards}

    def run(self) -> Simulation:
        self._submit()
        while self._live or self._free:
            paces = self._paces()
            ends = {name: live.left_s / paces[name] for name, live in self._live.items()}
            release_s = min(self._free.values(), default=math.inf)
            pause = min(min(ends.values(), default=math.inf), release_s - self._at)
            if math.isinf(pause):
                self._complain()
            self._pass(max(pause, 0.0), paces)
            for name in [n for n, live in self._live.items() if live.left_s <= _DONE_S]:
                self._finish(name)
            self._submit()
        if self._state.waiting:
            self._complain()
        return Simulation(tuple(self._done.values()), self._busy_s, tuple(self._past))

    def _paces(self) -> dict[str, float]:
        """Work per second of each running task."""
        paces = {}
        for name in self._live:
            own = self._state.running[name]
            card = own.placement.card
            there = self._state.on_card(card) if card else ()
            claims = [r.job.claim for r in there if r.job.id != name]
            paces[name] = 1.0 / self._truth.slowdown(own.job.claim, claims)
        return paces

    def _pass(self, seconds: float, paces: dict[str, float]) -> None:
        for card_id in self._busy_s:
            self._busy_s[card_id] += seconds * bool(self._state.on_card(card_id))
        for name, live in self._live.items():
            live.left_s -= seconds * paces[name]
        self._at += seconds
        self._co_residency.observe(self._state.running.values(), self._at)

    def _submit(self) -> None:
        """Hand over what is released and has its needs."""
        ready = [name for name, s in self._free.items() if s <= self._at + _DONE_S]
        if ready:
            for name in ready:
                del self._free[name]
                self._ready_s[name] = self._at
            self._take(Submitted(tuple(self._workload.job(name) for name in ready), self._at))

    def _finish(self, name: str) -> None:
        live = self._live.pop(name)
        self._done[name] = Played(
            name,
            live.ready_s,
            live.start_s,
            self._at,
            live.placement,
            tuple(sorted(live.partners)),
            live.waited_for,
            self._workload.tasks[name].is_guessed,
        )
        for behind in self._behind[name]:
            self._needs[behind].discard(name)
            if not self._needs[behind]:
                self._free[behind] = self._workload.tasks[behind].release_s
        card_name = live.placement.card and self._state.capacity.card(live.placement.card).name
        past = self._co_residency.finish(self._state.running[name], self._at, card_name=card_name)
        self._statistics.add(past)
        self._statistics.learn()
        self._past.append(past)
        self._take(Finished(name, self._at))

    def _take(self, event: Event) -> None:
        state, refused = apply(self._state, event, self._policy)
        for refusal in refused:
            raise WorkloadError(refusal.job_id, *explain.impossible(refusal.reason))
        self._state, decided = admit(state, self._at, self._planned(state))
        check(self._state)
        self._co_residency.observe(self._state.running.values(), self._at)
        for start in decided.starts:
            self._start(start)
        self._round = decided

    def _planned(self, state: State) -> Policy:
        if self.planner is None:
            return self._policy
        upcoming = [
            Upcoming(self._workload.job(name), task.after, task.release_s)
            for name, task in self._workload.tasks.items()
            if self._needs[name] or name in self._free
        ]
        return self._policy.following(self.planner.plan(state, self._at, upcoming))

    def _start(self, start: Start) -> None:
        name, task = start.job_id, self._workload.tasks[start.job_id]
        on_card = start.placement.card
        on_cpu = on_card is None and task.uses_gpu and task.cpu_duration_s is not None
        work_s = task.cpu_duration_s if on_cpu else task.duration_s
        ready_s = self._ready_s[name]
        # Asked now and not in each round, as the round before still knows what it left free.
        job = self._state.running[name].job
        waited_for = self._round.reason(job) if self._at > ready_s else None
        live = _Live(ready_s, self._at, work_s or 0.0, start.placement, waited_for)
        self._live[name] = live
        for other in self._state.on_card(on_card) if on_card else ():
            if other.job.id != name and other.job.id in self._live:
                live.partners.add(other.job.id)
                self._live[other.job.id].partners.add(name)

    def _complain(self) -> None:
        name = next(iter(self._state.waiting))
        raise WorkloadError(name, "never gets to run", "this is a mistake in the policy; report it")
