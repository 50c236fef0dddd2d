"""A workload played through the same rounds that decide for real jobs. Pure.

Time jumps from event to event. A job on a card works at 1 / slowdown of its speed, as the truth has
it for whoever is beside it; the policy sees only what was declared and what it estimates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.co_residency import CoResidency
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Finished, Round, Submitted
from nvinx.admission.planner.planner import Planner
from nvinx.admission.planner.work import Upcoming
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, check
from nvinx.errors import WorkloadError
from nvinx.history.sharing import Settled
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.outcome import Outcome
from nvinx.jobs.preemption import Mode, once_more

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.admission.events import Event, Policy, Reclaim, Start
    from nvinx.admission.job import Placement
    from nvinx.bench.capacity import Capacity
    from nvinx.history.runs import PastRun
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.preemption import Preempted
    from nvinx.reasons import Reason
    from nvinx.simulation.workload import Workload

_DONE_S = 1e-9


@dataclass(frozen=True, slots=True)
class Played:
    """What one task did. partners: who shared its card at any time. waited_for: its last reason.

    is_guessed: as in `Task`. preempted_for: of a try that was ended for a job of this name.
    """

    name: str
    ready_s: float
    start_s: float
    end_s: float
    placement: Placement
    partners: tuple[str, ...]
    waited_for: Reason | None
    is_guessed: bool = False
    preempted_for: str | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """A workload played to its end; gpu_busy_s: time with a job on it, by card id.

    past: what a history remembers of the tasks, in the order in which they ended. preempted: tries
    that gave their card back, with lost_s seconds of work in all.
    """

    tasks: tuple[Played, ...]
    gpu_busy_s: dict[str, float]
    past: tuple[PastRun, ...] = ()
    preempted: tuple[Played, ...] = ()
    lost_s: float = 0.0

    @property
    def makespan_s(self) -> float:
        return max((task.end_s for task in self.tasks), default=0.0)


LOOKED_AHEAD = 150  # tasks; looking ahead costs some 35 ms of CPU for each


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


def planner_for(workload: Workload, estimates: Estimates) -> Planner | None:
    """What looks ahead in a run of this workload; None for one that is large for a simulation."""
    return Planner(estimates) if len(workload.tasks) <= LOOKED_AHEAD else None


@dataclass
class _Live:
    """A task that runs: how much of its work is left, in seconds alone."""

    ready_s: float
    start_s: float
    left_s: float
    placement: Placement
    waited_for: Reason | None
    partners: set[str] = field(default_factory=set)
    leaves: _Leaving | None = None


@dataclass(frozen=True, slots=True)
class _Leaving:
    """That a task gives its card back: when, for whom, and how much it then has left to do."""

    at: float
    to: str
    left_s: float


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
        self._left_s: dict[str, float] = {}
        self._before: dict[str, Preempted] = {}
        self._preempted: list[Played] = []
        self._lost_s = 0.0
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
            moments = [*self._free.values(), *(g.at for _, g in self._leaving())]
            next_s = min(moments, default=math.inf)
            pause = min(min(ends.values(), default=math.inf), next_s - self._at)
            if math.isinf(pause):
                self._complain()
            self._pass(max(pause, 0.0), paces)
            for name in [n for n, live in self._live.items() if live.left_s <= _DONE_S]:
                self._finish(name)
            for name, leaving in list(self._leaving()):
                if leaving.at <= self._at + _DONE_S:
                    self._give_back(name, leaving)
            self._submit()
        if self._state.waiting:
            self._complain()
        tasks, preempted = tuple(self._done.values()), tuple(self._preempted)
        return Simulation(tasks, self._busy_s, tuple(self._past), preempted, self._lost_s)

    def _leaving(self) -> Iterator[tuple[str, _Leaving]]:
        return ((name, live.leaves) for name, live in self._live.items() if live.leaves)

    def _paces(self) -> dict[str, float]:
        """Work per second of each running task; of a gang on the worst of its cards."""
        paces = {}
        for name in self._live:
            own = self._state.running[name]
            slowest = max(
                self._truth.slowdown(own.job.claim, self._beside(name, card_id))
                for card_id in own.placement.cards or (None,)
            )
            paces[name] = 1.0 / slowest
        return paces

    def _beside(self, name: str, card_id: str | None) -> list[Claim]:
        there = self._state.on_card(card_id) if card_id else ()
        return [r.job.claim for r in there if r.job.id != name]

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
        self._done[name] = self._played(name, live)
        for behind in self._behind[name]:
            self._needs[behind].discard(name)
            if not self._needs[behind]:
                self._free[behind] = self._workload.tasks[behind].release_s
        past = self._end(name, live)
        self._statistics.add(past)
        self._statistics.learn()
        self._past.append(past)
        self._take(Finished(name, self._at))

    def _played(self, name: str, live: _Live, preempted_for: str | None = None) -> Played:
        return Played(
            name,
            live.ready_s,
            live.start_s,
            self._at,
            live.placement,
            tuple(sorted(live.partners)),
            live.waited_for,
            self._workload.tasks[name].is_guessed,
            preempted_for,
        )

    def _end(self, name: str, live: _Live) -> PastRun:
        card_name = live.placement.card and self._state.capacity.card(live.placement.card).name
        return self._co_residency.finish(self._state.running[name], self._at, card_name=card_name)

    def _give_back(self, name: str, leaving: _Leaving) -> None:
        """End a task that gives its card back, and queue it anew with what it has left to do."""
        live = self._live.pop(name)
        self._end(name, live)
        self._preempted.append(self._played(name, live, leaving.to))
        self._left_s[name] = leaving.left_s
        ran_s, cards = self._at - live.start_s, live.placement.cards
        self._before[name] = once_more(self._before.get(name), self._at, ran_s, cards)
        self._take(Finished(name, self._at, Outcome.PREEMPTED))
        again = replace(self._workload.job(name), preempted=self._before[name])
        self._ready_s[name] = self._at
        self._take(Submitted((again,), self._at))

    def _take(self, event: Event) -> None:
        state, refused = apply(self._state, event, self._policy)
        for refusal in refused:
            raise WorkloadError(refusal.job_id, *explain.impossible(refusal.reason))
        self._state, decided = admit(state, self._at, self._planned(state))
        check(self._state)
        if self.planner is not None:
            self.planner.observe(self._state, self._at)
        self._co_residency.observe(self._state.running.values(), self._at)
        for start in decided.starts:
            self._start(start)
        for asked in decided.reclaims:
            self._ask_back(asked)
        self._round = decided

    def _ask_back(self, asked: Reclaim) -> None:
        """One that may save what it has, or is suspended, goes on from there; others begin anew."""
        live, task = self._live[asked.job_id], self._workload.tasks[asked.job_id]
        agreed = task.preemptible
        saves = agreed is not None and agreed.mode is not Mode.REQUEUE
        left_s = live.left_s if saves else task.duration_s
        live.leaves = _Leaving(self._at + asked.grace_s, asked.to, left_s)
        self._lost_s += asked.lost_s

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
        work_s = task.cpu_duration_s if on_cpu else self._left_s.get(name, task.duration_s)
        ready_s = self._ready_s[name]
        # Asked now and not in each round, as the round before still knows what it left free.
        job = self._state.running[name].job
        waited_for = self._round.reason(job) if self._at > ready_s else None
        live = _Live(ready_s, self._at, work_s or 0.0, start.placement, waited_for)
        self._live[name] = live
        there = (r for card_id in start.placement.cards for r in self._state.on_card(card_id))
        for other in there:
            if other.job.id != name and other.job.id in self._live:
                live.partners.add(other.job.id)
                self._live[other.job.id].partners.add(name)

    def _complain(self) -> None:
        name = next(iter(self._state.waiting))
        raise WorkloadError(name, "never gets to run", "this is a mistake in the policy; report it")
