"""Which work is looked at: what runs, the front of the queue, and what it opens. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nvinx.admission import queue_order
from nvinx.admission.done import is_late, left_s
from nvinx.admission.planner.work import KnownJob, Work
from nvinx.admission.policy import could_hold
from nvinx.admission.run_times import RunTimes
from nvinx.admission.waiting_queue import group
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nvinx.admission.done import Done
    from nvinx.admission.job import Job
    from nvinx.admission.planner.companies import Companies
    from nvinx.admission.planner.work import Upcoming
    from nvinx.admission.state import State
    from nvinx.jobs.claim import Claim

ON_CARD = 64  # jobs at the front of the queue that may use a card
ON_CPU_TOO = 32  # jobs behind them that may not
OPENED = 64  # jobs that these open
_SIZELESS = 1 << 40, 1 << 40  # of one that holds a card alone: larger than all others


class Horizon:
    """Jobs by id, numbered in an order in which each comes after those it needs."""

    def __init__(self, state: State, at: float, companies: Companies) -> None:
        self._state, self._at, self._companies = state, at, companies
        self._run_times = RunTimes(state)
        self._jobs: list[KnownJob] = []
        self._number: dict[str, int] = {}

    def work(self, done: Done, upcoming: Sequence[Upcoming], patience_s: float) -> Work:
        """done: by those who run."""
        capacity = self._state.capacity
        place = {card.id: k for k, card in enumerate(capacity.cards)}
        for running in self._state.running.values():
            one = self._add(running.job)
            one.cards = tuple(place[card] for card in running.placement.cards)
            if one.cards:
                one.card_s = self._run_times.on_card_s(running.job.claim)
                one.alone = running.placement.alone
            work_s = (one.card_s if one.cards else one.cpu_s) or 0.0
            done_s = done.by(one.id, self._at) or 0.0
            one.left_s, one.is_late = left_s(work_s, done_s), is_late(work_s, done_s)
        queue = self._state.waiting
        front = islice(queue_order.front(queue, self._at), ON_CARD)
        for waiting in (*front, *islice(queue.in_line(on_cpu=True), ON_CPU_TOO)):
            one = self._add(waiting.job)
            one.since_s, one.number = waiting.since, queue.number(one.id)
        self._open(upcoming)
        self._count_tails()
        budgets = tuple(card.budget_mib for card in capacity.cards)
        return Work(
            self._at,
            self._jobs,
            budgets,
            capacity.cores,
            capacity.ram_mib,
            self._companies,
            patience_s,
        )

    def _open(self, upcoming: Iterable[Upcoming]) -> None:
        """Those who wait for nobody outside the horizon."""
        known = self._number
        outside = {one for one in self._state.waiting if one not in known}
        opened = 0
        for coming in upcoming:
            if coming.job.id in known:
                continue
            if opened >= OPENED or not outside.isdisjoint(coming.after):
                outside.add(coming.job.id)
                continue
            one = self._add(coming.job)
            one.release_s, one.is_upcoming = coming.release_s, True
            needs = [known[need] for need in coming.after if need in known]
            one.waits_for = len(needs)
            for need in needs:
                self._jobs[need].behind += (known[one.id],)
            opened += 1

    def _count_tails(self) -> None:
        """Of those behind whom nobody is known job by job, the chain counts."""
        for one in self._jobs:
            if not one.behind:
                one.tail_s = max(one.chain_s - one.length_s, 0.0)

    def _add(self, job: Job) -> KnownJob:
        claim = job.claim
        needs = self._needs(claim)
        count = claim.cards
        able = sum(need is not None for need in needs)
        on_card = able >= count.least
        card_s = self._run_times.on_card_s(claim) if on_card else None
        alone = on_card and claim.residency is not Residency.GPU_SHARED
        made = KnownJob(
            id=job.id,
            card_s=card_s,
            cpu_s=self._cpu_s(claim, on_card=on_card),
            cores=claim.cores,
            ram_mib=claim.ram_mib,
            species=self._companies.species(claim),
            alone=alone,
            group=group(claim),
            needs=needs,
            chain_s=claim.chain_s,
            size=_SIZELESS if alone else _size(needs),
            is_wide=claim.is_wide,
            least=count.least,
            most=min(count.most, max(able, 1)),
        )
        self._number[job.id] = len(self._jobs)
        self._jobs.append(made)
        return made

    def _cpu_s(self, claim: Claim, *, on_card: bool) -> float | None:
        if not claim.uses_gpu:
            return claim.runtime_s or self._run_times.usual_s
        if not claim.cpu_fallback:
            return None
        has_to = claim.cpu_runtime_s is None and not on_card
        return self._run_times.on_card_s(claim) if has_to else claim.cpu_runtime_s

    def _needs(self, claim: Claim) -> tuple[int | None, ...]:
        """Of each card, None where the job could never be."""
        if not claim.uses_gpu:
            return ()
        return tuple(
            (card.need_mib(claim) if claim.residency is Residency.GPU_SHARED else 0)
            if could_hold(card, claim, claim.residency)
            else None
            for card in self._state.capacity.cards
        )


def _size(needs: tuple[int | None, ...]) -> tuple[int, int]:
    """The most that is needed of a card, and the least."""
    known = [need for need in needs if need is not None]
    return max(known, default=0), min(known, default=0)
