"""Makes a plan for the moment, event by event. Pure."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.planner.awaited import Awaited
from nvinx.admission.planner.companies import Companies
from nvinx.admission.planner.horizon import Horizon
from nvinx.admission.planner.plan import NO_PLAN, Plan
from nvinx.admission.planner.rule import TODAY, Rule
from nvinx.admission.planner.search import MOST_ASKED, line_of, search
from nvinx.admission.policy import options
from nvinx.admission.progress import Progress
from nvinx.admission.run_times import known_on_card_s
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.done import Done
    from nvinx.admission.estimates import Estimates
    from nvinx.admission.planner.search import Found
    from nvinx.admission.planner.work import Upcoming, Work
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Capacity
    from nvinx.jobs.claim import Claim

PATIENCE_S = 60.0
# Of the run times on cards, and of those who may share one, so many must be known for a plan to be
# worth its time: by guesses, it is worse than none.
KNOWN = 0.75
SHORT_S = 2.0  # jobs that are done so soon would wait for their plan
_LOOKED_AT = 40


class Planner:
    """Remembers from one event to the next how far the running jobs are, and the plan before."""

    def __init__(
        self,
        estimates: Estimates,
        *,
        patience_s: float = PATIENCE_S,
        most_asked: int = MOST_ASKED,
    ) -> None:
        """most_asked: bounds the work of one plan, see `search`."""
        self._estimates = estimates
        self._patience_s = patience_s
        self._most_asked = most_asked
        self._progress = Progress(estimates)
        self._awaited = Awaited()
        self._before = NO_PLAN
        self._searches = 0

    def plan(self, state: State, at: float, upcoming: Sequence[Upcoming] = ()) -> Plan:
        """For this state at time `at` (seconds); it says no more than what was done by those who
        run where it goes as well without.

        upcoming: jobs that are not ready yet, each after those it needs.
        """
        self._progress.observe(state, at)
        has_use = pays(state, self._estimates, upcoming)
        self._before = self._look_ahead(state, at, upcoming) if has_use else NO_PLAN
        return replace(self._before, done=self._progress.done)

    def observe(self, state: State, at: float) -> Done:
        """These run from time `at` (seconds) on: to be told after each round, with the jobs of
        others among them. What was done until then.
        """
        self._progress.observe(state, at)
        return self._progress.done

    def _look_ahead(self, state: State, at: float, upcoming: Sequence[Upcoming]) -> Plan:
        horizon = Horizon(state, at, Companies(self._estimates))
        work = horizon.work(self._progress.done, upcoming, self._patience_s)
        before = _as_rule(self._before, work) if self._before.rank else None
        self._searches += 1
        found = search(work, before, self._most_asked, self._searches)
        plan, awaited = self._plan(work, found), self._worth_awaiting(work, found)
        if not awaited:
            return NO_PLAN if found.rule is TODAY else plan
        coming = {one.job.id: one.job for one in upcoming}
        jobs = tuple(coming[job_id] for job_id in awaited)
        return replace(plan, awaited=jobs, until_s=self._awaited.until_s(awaited))

    def _worth_awaiting(self, work: Work, found: Found) -> list[str]:
        """Of those who could come, in the order in which they start at once."""
        jobs = work.jobs
        could_come = {
            job.id: job.length_s
            for job in jobs
            if job.is_upcoming and not job.waits_for and job.release_s <= work.at
        }
        self._awaited.observe(could_come, work.at)
        in_order = [jobs[n].id for n in found.awaited if jobs[n].id in could_come]
        worth_it = self._awaited.worth_it(in_order, work.at)
        return [job_id for job_id in in_order if job_id in worth_it]

    def _plan(self, work: Work, found: Found) -> Plan:
        if found.rule is TODAY:
            return Plan({}, end_s=found.end_s, without_s=found.today_s)
        rule, jobs = found.rule, work.jobs
        rank = {
            jobs[n].id: place
            for place, n in enumerate(line_of(rule.order or ()))
            if jobs[n].is_upcoming or not jobs[n].was_passed(work.at, work.patience_s)
        }
        on_cpu = frozenset(jobs[n].id for n in found.on_cpu)
        return Plan(
            rank, rule.gain, rule.binding, on_cpu, end_s=found.end_s, without_s=found.today_s
        )


def pays(state: State, estimates: Estimates, upcoming: Sequence[Upcoming] = ()) -> bool:
    """Whether there is a choice, and enough known to choose by of those who wait for a card, or of
    those who run and come where nobody does: cheap to ask.
    """
    queue = state.waiting
    capacity = state.capacity
    if not capacity.cards:
        return False
    lines = (islice(queue.in_line(on_cpu=on_cpu), _LOOKED_AT) for on_cpu in (False, True))
    claims = [waiting.job.claim for waiting in chain(*lines)]
    if not claims or len(claims) + len(upcoming) < 2:  # noqa: PLR2004
        return False
    if queue.on_gpu == 0:
        claims += [running.job.claim for running in state.running.values()]
        claims += [one.job.claim for one in upcoming[:_LOOKED_AT]]
    if any(_is_beyond(claim, capacity) for claim in claims):
        return False
    sharing = [claim for claim in claims if claim.residency.shares_card]
    if sum(map(estimates.is_stranger, sharing)) > (1.0 - KNOWN) * len(sharing):
        return False
    of_cards = [known_on_card_s(claim) for claim in claims if claim.uses_gpu]
    known = [seconds for seconds in of_cards if seconds is not None]
    return len(known) >= KNOWN * len(of_cards) and sum(known) > SHORT_S * len(known)


def _is_beyond(claim: Claim, capacity: Capacity) -> bool:
    """Whether a plan knows nothing of such a job: one that spills, or an urgent one."""
    if claim.residency is Residency.GPU_RAM_OVERFLOW or claim.preempts is not None:
        return True
    return claim.may_overflow and Residency.GPU_RAM_OVERFLOW in options(claim, capacity)


def _as_rule(plan: Plan, work: Work) -> Rule:
    """The plan for what is known by now; jobs that are new come last."""
    last = len(plan.rank)
    order = [float(plan.rank.get(job.id, last)) for job in work.jobs]
    on_cpu = frozenset(
        n for n, job in enumerate(work.jobs) if job.id in plan.on_cpu and job.has_choice
    )
    return Rule(order, plan.gain, plan.binding, on_cpu)
