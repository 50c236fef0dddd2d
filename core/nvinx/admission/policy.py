"""Which waiting jobs start now: `decide` asks them in turn, and `_decide` answers for one.

Jobs that can use a card are asked first, so that CPU work never keeps a card idle; then by
priority, then by the longest chain of jobs that waits behind them. Each second of the chain counts
as some seconds of age, so that whoever waits is passed by only for a time, and nobody starves. A
job joins a busy card only where that gets more work done, or no end of those on it is in sight
(`allocation`), and where it breaks nobody's `max_slowdown`. The first job of each kind that does
not fit gets a reservation, and others overtake it only if they end before its start or leave it
what it needs (EASY back-fill), for `patience_s` where run times are not known. A gang's is of all
its cards at once; they are filled meanwhile as long as those in its way keep to known run times. An
exclusive job or a gang that waited half its own run time goes before all that are younger.

Where the first that does not fit is urgent, running jobs that agreed may give their cards back to
it (`victims`, `reclaim`). Where jobs on a card asked for a range of VRAM, the first that does not
fit has them use less of it, and nobody is ended for that (`budgets`). The order is `queue_order`'s,
what is free and whether sharing pays are `availability`'s, expected times and slowdowns
`estimates`'. Before a job is queued `adjust` may change its claim, after an out-of-memory failure
`retry` does.
"""

from __future__ import annotations

from itertools import chain, takewhile
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission import budgets, card_sets, given_back, queue_order
from nvinx.admission.availability import Availability
from nvinx.admission.budgets import Rebudget
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Round, Start
from nvinx.admission.job import Budget, Placement
from nvinx.admission.planner.plan import NO_PLAN
from nvinx.admission.run_times import RunTimes
from nvinx.jobs import gpu_hint
from nvinx.reasons import Reason, Why
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from nvinx.admission.availability import Reservation
    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job, Waiting
    from nvinx.admission.planner.plan import Plan
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.jobs.claim import Claim


_MOST_IN_VAIN = 100
_LONG = 10.0  # times patience_s: how long GPU jobs may keep CPU jobs of a size from running


class LongestChainFirst:
    """Longest chain first, sharing where it pays, with reservations; see the head of this file."""

    def __init__(self, estimates: Estimates | None = None, *, patience_s: float = 60.0) -> None:
        """estimates: of run times and slowdowns; nothing is known, by default."""
        self._estimates = estimates or Estimates()
        self._patience_s = patience_s
        self._long_s = patience_s * _LONG
        self._plan = NO_PLAN

    def following(self, plan: Plan) -> Self:
        """The same policy with a plan, which chooses among the starts that it allows."""
        policy = object.__new__(type(self))
        vars(policy).update(vars(self), _plan=plan)
        return policy

    def decide(self, state: State, at: float) -> Round:
        """Ask the waiting jobs in turn, and allocate to those that start.

        A round asks no more than so many of a kind in vain, as Slurm's back-fill does.
        """
        plan = self._plan
        if not state.waiting and not _have_budgets(state):
            return Round()
        starts, waits = [], {}
        free = Availability.of(state, at, self._estimates, plan.gain, plan.done)
        refused = _Refused(state)
        self._keep_places(state, free, refused)
        queue = takewhile(refused.are_few, self._queue(state, at, free))
        for part in _with_first(free.to_measure_first(state.capacity.cards), queue):
            for waiting in refused.worth_asking(part, free):
                job = waiting.job
                verdict = refused.as_before(job) or _decide(
                    job, state.capacity, free, refused, plan
                )
                if isinstance(verdict, Reason):
                    self._reserve(waiting, verdict, state, free)
                    refused.add(job.claim, verdict, free)
                    waits[job.id] = refused.ask_back(job, verdict, state, free)
                elif not waiting.held:
                    starts.append(_allocate(job, verdict, state, free))
                    refused.forget()

        starts, larger = _grown(starts, state, free)
        answers: dict[Claim, Placement | Reason] = {}  # those who are alike wait for the same

        def ask(job: Job) -> Reason | None:
            if job.claim not in answers:
                answers[job.claim] = _decide(job, state.capacity, free, refused, plan)
            answer = answers[job.claim]
            return replace(answer, job=job.name) if isinstance(answer, Reason) else None

        return Round(tuple(starts), waits, ask, refused.reclaims, (*refused.budgets, *larger))

    def impossible(self, job: Job, capacity: Capacity) -> Reason | None:
        if job.claim.cores > capacity.cores:
            return Reason(job.name, Why.NOT_ENOUGH_CORES, job.claim.cores, capacity.cores)
        if capacity.ram_mib is not None and job.claim.ram_mib > capacity.ram_mib:
            return Reason(job.name, Why.NOT_ENOUGH_RAM, job.claim.ram_mib, capacity.ram_mib)
        option = options(job.claim, capacity)
        return None if option else _does_not_fit(job, capacity)

    def _keep_places(self, state: State, free: Availability, refused: _Refused) -> None:
        """For those who are about to be queued, by the plan."""
        for job in self._plan.awaited_at(free.at):
            if job.id in state.waiting or job.id in state.running:
                continue
            placement = _decide(job, state.capacity, free, refused, self._plan)
            if isinstance(placement, Placement):
                free.allocate(job, placement)

    def _queue(self, state: State, at: float, free: Availability) -> Iterable[Iterable[Waiting]]:
        """The waiting jobs in the order in which they are asked, in parts of one kind each."""
        parts = queue_order.parts(state, at, self._long_s, lambda: free.free_cores > 0)
        return (self._plan.ordered(part) for part in parts)

    def _reserve(self, waiting: Waiting, reason: Reason, state: State, free: Availability) -> None:
        """The first job of each kind that does not fit gets a reservation."""
        job, claim = waiting.job, waiting.job.claim
        kinds = [other.job.claim.uses_gpu for other in free.reservations]
        if claim.uses_gpu in kinds or reason.why is Why.BEHIND_OLDER_JOB:
            return
        if self._plan.sends_to_cpu(job):
            return
        (residency, *_) = options(claim, state.capacity)
        there = [c for c in state.capacity.cards if could_hold(c, claim, residency)]
        cards = _as_left(there, job, state, free)
        only_cores = reason.of_machine and claim.uses_gpu
        waited_s = free.at - waiting.since
        binding, settled = waited_s >= self._patience(claim), waited_s >= self._long_s
        binding = binding or only_cores or self._plan.binding or cards != there
        free.reserve(job, residency, cards, binding=binding, settled=settled)

    def _patience(self, claim: Claim) -> float:
        """How long others may overtake: half the job's run time, `patience_s` at most."""
        if claim.runtime_s is None:
            return self._patience_s
        return min(self._patience_s, claim.runtime_s / 2)


def _with_first(
    first: Waiting | None, parts: Iterable[Iterable[Waiting]]
) -> Iterable[Iterable[Waiting]]:
    """The queue, with one of its jobs let forward."""
    if first is None:
        return parts
    return chain([[first]], ((w for w in part if w is not first) for part in parts))


def _as_left(cards: list[Card], job: Job, state: State, free: Availability) -> list[Card]:
    """The cards as an urgent job may count on them: with the room that was just given back."""
    if job.claim.preempts is None:
        return cards
    return given_back.as_left(cards, state.waiting.values(), free.at)


def _allocate(job: Job, placement: Placement, state: State, free: Availability) -> Start:
    spills = placement.residency is Residency.GPU_RAM_OVERFLOW
    if spills and not job.claim.is_gang and _is_last(state):
        placement = _spread(placement, job, state.capacity.cards, free)
    free.allocate(job, placement)
    return Start(job.id, placement)


def _have_budgets(state: State) -> bool:
    return any(running.placement.budget is not None for running in state.running.values())


def _grown(
    starts: list[Start], state: State, free: Availability
) -> tuple[list[Start], list[Rebudget]]:
    """The same starts, and running jobs, with all that they can make use of, if nobody waits."""
    started = {start.job_id for start in starts}
    left = state.waiting.on_gpu - sum(state.waiting[i].job.claim.uses_gpu for i in started)
    if left:
        return starts, []
    larger = budgets.grown(state.capacity.cards, free)
    grown = [
        Start(one.job_id, replace(one.placement, vram_mib=mib, budget=Budget(mib)))
        if (mib := larger.get(one.job_id))
        else one
        for one in starts
    ]
    return grown, [Rebudget(i, mib) for i, mib in larger.items() if i not in started]


def _is_last(state: State) -> bool:
    """Whether but one job waits for a card, so that nobody else would use those left idle."""
    return state.waiting.on_gpu == 1


def options(claim: Claim, capacity: Capacity) -> tuple[Residency, ...]:
    """How the claim could run on an otherwise empty bench, best first; empty when it cannot."""
    if not claim.uses_gpu:
        return (Residency.CPU_ONLY,)
    possible = []
    fits = Residency.GPU_SHARED
    if claim.residency is Residency.GPU_EXCLUSIVE:
        fits = Residency.GPU_EXCLUSIVE
    if _could_all_hold(capacity.cards, claim, fits):
        possible.append(fits)
    elif claim.may_overflow and _could_all_hold(capacity.cards, claim, Residency.GPU_RAM_OVERFLOW):
        possible.append(Residency.GPU_RAM_OVERFLOW)
    if not possible and claim.cpu_fallback:
        possible.append(Residency.CPU_ONLY)
    return tuple(possible)


def _decide(
    job: Job, capacity: Capacity, free: Availability, refused: _Refused, plan: Plan
) -> Placement | Reason:
    """This is the decision: where `job` starts now, or why it does not."""
    claim = job.claim
    (residency, *_) = options(claim, capacity)
    on_cpu = Placement(Residency.CPU_ONLY, Why.SOONER_ON_CPU, ram_mib=claim.ram_mib)
    if plan.sends_to_cpu(job):
        return _start(job, on_cpu, free)
    if residency is Residency.CPU_ONLY:
        return _start(
            job, Placement(residency, _why_cpu(claim, capacity), ram_mib=claim.ram_mib), free
        )
    cards = [c for c in capacity.cards if could_hold(c, claim, residency)]
    refusals = {card: free.refuses(card, job, residency) for card in cards}
    open_cards = [card for card in cards if refusals[card] is None]
    if card_sets.fewest(claim, residency, open_cards) is not None:
        verdict = _start_on_some_of(open_cards, job, residency, free)
    elif claim.is_gang:
        verdict = card_sets.not_free(job, residency, refusals)
    else:
        verdict = next(reason for reason in refusals.values() if reason is not None)
    is_open = not plan.names(job)
    if isinstance(verdict, Reason) and is_open and refused.is_longer_than_cpu(claim, free):
        instead = _start(job, on_cpu, free)
        return instead if isinstance(instead, Placement) else verdict
    return verdict


def _start_on_some_of(
    cards: Sequence[Card], job: Job, residency: Residency, free: Availability
) -> Placement | Reason:
    """On the card where the job ends first, of those that are reserved for nobody else; a gang on
    as many such cards as it may have.
    """
    rank = {c: (free.end_s(job, c.id), len(free.residents(c.id))) for c in cards}
    verdicts = []
    for some in _sets(rank, job, residency, free):
        placement = _on(some, job.claim, residency)
        if residency is Residency.GPU_SHARED:
            placement = replace(placement, why=_why_shared(job, some, free))
        verdicts.append(_start(job, placement, free))
        if isinstance(verdicts[-1], Placement):
            return verdicts[-1]
    return verdicts[0]


def _sets(
    rank: Mapping[Card, tuple[float, int]], job: Job, residency: Residency, free: Availability
) -> Iterator[tuple[Card, ...]]:
    """What the job could have of these cards, best first; of a gang first what is not reserved."""
    ranked = sorted(rank, key=lambda card: (rank[card], card.index))
    if not job.claim.is_gang:
        yield from ((card,) for card in ranked)
        return
    alone = [(card, _on((card,), job.claim, residency)) for card in ranked]
    unreserved = [card for card, there in alone if free.overtakes(job, there) is None]
    for some in (unreserved, ranked):
        yield from card_sets.sets(job.claim, residency, some, rank.__getitem__)


def _why_shared(job: Job, cards: Sequence[Card], free: Availability) -> Why:
    if all(free.is_to_measure(job, card) for card in cards):
        return Why.MEASURED_ALONE
    if any(free.is_beside_open_ended(job, card) for card in cards):
        return Why.NO_END_IN_SIGHT
    is_trial = any(free.is_trial(job, card) for card in cards)
    return Why.TRIED_TOGETHER if is_trial else Why.FITS_BESIDE_OTHERS


def _spread(placement: Placement, job: Job, cards: Sequence[Card], free: Availability) -> Placement:
    """Take further idle cards, the largest first, until nothing of the job has to spill."""
    spills = (job.claim.vram_mib or 0) - sum(c.weights_mib for c in cards if c.id == placement.card)
    for card in sorted(cards, key=lambda card: -card.weights_mib):
        idle = card.id != placement.card and not free.residents(card.id)
        if spills > 0 and idle and card.weights_mib > 0:
            more, more_mib = (*placement.more, card.id), (*placement.more_mib, card.alone_mib)
            placement = replace(placement, more=more, more_mib=more_mib)
            spills -= card.weights_mib
    return placement


def _start(job: Job, placement: Placement, free: Availability) -> Placement | Reason:
    """The placement, unless cores or RAM are short or they are reserved for another."""
    return free.lacks(job) or free.overtakes(job, placement) or placement


class _Refused:
    """Those who were asked in vain in this round, and the GPU work that waits before the next."""

    def __init__(self, state: State) -> None:
        self._work_s = 0.0
        self._run_times = RunTimes(state)
        queue = state.waiting
        are_there = (queue.on_gpu < len(queue), queue.on_gpu > 0)
        self._reasons: dict[Claim, Reason] = {}
        self._reserved = 0
        self._in_vain = [0 if some else _MOST_IN_VAIN for some in are_there]
        self.reclaims: tuple[Reclaim, ...] = ()
        self.budgets: tuple[Rebudget, ...] = ()

    def are_few(self, _part: object) -> bool:
        """Whether somebody else is asked in this round, of whichever kind."""
        return min(self._in_vain) < _MOST_IN_VAIN

    def worth_asking(self, part: Iterable[Waiting], free: Availability) -> Iterator[Waiting]:
        """Those who could start at all: until too many of a kind were refused, while cores last."""
        for waiting in part:
            claim = waiting.job.claim
            if self._in_vain[claim.uses_gpu] >= _MOST_IN_VAIN:
                return
            if free.free_cores > 0 or not claim.cores:
                yield waiting

    def as_before(self, job: Job) -> Reason | None:
        """What a job that asks for the same was refused for, while nothing has changed since."""
        found = self._reasons.get(job.claim)
        return None if found is None else replace(found, job=job.name)

    def forget(self) -> None:
        """Something has started."""
        self._reasons.clear()

    def add(self, claim: Claim, reason: Reason, free: Availability) -> None:
        """A job was refused. That holds for those alike, unless something is reserved for it, and
        unless the CPU may be sooner for those behind it, who wait for its work too.
        """
        self._in_vain[claim.uses_gpu] += 1
        if len(free.reservations) > self._reserved:
            self._reserved = len(free.reservations)
            self.forget()
        elif not claim.cpu_fallback:
            self._reasons[claim] = reason
        if claim.uses_gpu:
            self._work_s += self._run_times.on_card_s(claim) * claim.cards.least

    def ask_back(self, job: Job, refusal: Reason, state: State, free: Availability) -> Reason:
        """Why the job waits. For the first of the line others use less of their card, where they
        can and it wants but one; one that is urgent may have others give their cards back to it.
        """
        first = next((r for r in free.reservations if r.job.claim.uses_gpu), None)
        if refusal.of_machine or first is None or first.job is not job:
            return refusal
        cards = [c for c in state.capacity.cards if could_hold(c, job.claim, first.residency)]
        cards = _as_left(cards, job, state, free)
        empty = [card for card in cards if free.refuses(card, job, first.residency) is None]
        if card_sets.fewest(job.claim, first.residency, empty) is not None:
            return refusal
        is_one = not job.claim.is_gang
        squeeze = budgets.shrink(job, first.residency, cards, free) if is_one else None
        if squeeze is not None:
            self.budgets = squeeze.asked
            return budgets.answer(squeeze, first, free.at)
        if job.claim.preempts is not None:
            asked = self._reclaim(job, cards, first, free)
            if asked is not None:
                return asked
        return budgets.overdue(refusal, cards, free) if is_one else refusal

    def _reclaim(
        self, job: Job, cards: Sequence[Card], first: Reservation, free: Availability
    ) -> Reason | None:
        """What the job is told, for which others give their cards back, or could with more RAM."""
        from nvinx.admission import reclaim, victims

        choice = victims.choose(job, first.residency, cards, free)
        if choice is None:
            return reclaim.lacks_ram(job, first.residency, cards, free)
        self.reclaims, reason = reclaim.answer(job, choice, first, free.at)
        free.hold_ram(sum(one.ram_mib for one in self.reclaims))
        return reason

    def is_longer_than_cpu(self, claim: Claim, free: Availability) -> bool:
        """Whether waiting and then using a card would take longer than the CPU takes."""
        if not claim.cpu_fallback or claim.cpu_runtime_s is None:
            return False
        work_s, pace = free.gpu_work(self._run_times)
        wait_s = (work_s + self._work_s) / pace
        return claim.cpu_runtime_s < wait_s + self._run_times.on_card_s(claim)


def _on(cards: Sequence[Card], claim: Claim, residency: Residency) -> Placement:
    alone = residency is not Residency.GPU_SHARED
    why = {
        Residency.GPU_SHARED: Why.FITS_BESIDE_OTHERS,
        Residency.GPU_EXCLUSIVE: Why.RAN_OUT if claim.ran_out else Why.WHOLE_CARD,
        Residency.GPU_RAM_OVERFLOW: Why.SPILLS_TO_RAM,
    }[residency]
    first_mib, *more_mib = (card.alone_mib if alone else card.need_mib(claim) for card in cards)
    first, *more = (card.id for card in cards)
    disk = claim.disk_mib if residency is Residency.GPU_RAM_OVERFLOW else 0
    return Placement(
        residency,
        why,
        first,
        first_mib,
        claim.ram_mib,
        disk,
        tuple(more),
        claim.share,
        tuple(more_mib),
        budget=Budget(first_mib) if claim.elastic_mib and not alone else None,
    )


def _could_all_hold(cards: Sequence[Card], claim: Claim, residency: Residency) -> bool:
    """Whether so many of these cards as the job asks for could hold it, were they empty."""
    able = (card for card in cards if could_hold(card, claim, residency))
    if not claim.is_gang:
        return next(able, None) is not None
    return card_sets.fewest(claim, residency, card_sets.when_empty(list(able))) is not None


def could_hold(card: Card, claim: Claim, residency: Residency) -> bool:
    """Whether the card could hold the job, or its part of a gang, were it empty."""
    if not gpu_hint.matches(claim.card_name, card.name) or claim.on_card not in (None, card.id):
        return False
    if residency is Residency.GPU_RAM_OVERFLOW:
        weights_mib = replace(card, foreign_mib=0).weights_mib
        return weights_mib > 0 if claim.is_gang else claim.least_on_card_mib <= weights_mib
    if residency is Residency.GPU_SHARED:
        return card.need_mib(claim) <= card.shareable_mib
    return (claim.vram_mib or 0) <= card.total_mib


def _does_not_fit(job: Job, capacity: Capacity) -> Reason:
    if not capacity.cards:
        return Reason(job.name, Why.NO_GPU_ON_BENCH, job.claim.vram_mib)
    wanted = [c for c in capacity.cards if gpu_hint.matches(job.claim.card_name, c.name)]
    if not wanted:
        return Reason(job.name, Why.NO_CARD_OF_THAT_NAME)
    if job.claim.is_gang and (short := _too_few(job, wanted)):
        return short
    if job.claim.may_overflow:
        spilt = job.claim.ram_mib + job.claim.disk_mib
        rooms = sorted(card.weights_mib for card in card_sets.when_empty(wanted))
        most = sum(rooms[-job.claim.cards.most :]) + spilt
        return Reason(job.name, Why.TOO_LARGE_TO_SPLIT, job.claim.vram_mib, most)
    exclusive = job.claim.residency is Residency.GPU_EXCLUSIVE
    largest = max(c.total_mib if exclusive else c.shareable_mib for c in wanted)
    return Reason(job.name, Why.LARGER_THAN_CARD, job.claim.vram_mib, largest)


def _too_few(job: Job, cards: Sequence[Card]) -> Reason | None:
    """Where some of the cards could do their part, or where it is their number alone."""
    exclusive = job.claim.residency is Residency.GPU_EXCLUSIVE
    fits = Residency.GPU_EXCLUSIVE if exclusive else Residency.GPU_SHARED
    fits = Residency.GPU_RAM_OVERFLOW if job.claim.may_overflow else fits
    able = sum(could_hold(card, job.claim, fits) for card in cards)
    if not 0 < able < job.claim.cards.least:
        return None
    return Reason(job.name, Why.TOO_FEW_CARDS, job.claim.cards.least, able)


def _why_cpu(claim: Claim, capacity: Capacity) -> Why:
    if not claim.uses_gpu:
        return Why.NEEDS_NO_GPU
    if not capacity.cards:
        return Why.NO_GPU_ON_BENCH
    named = sum(gpu_hint.matches(claim.card_name, card.name) for card in capacity.cards)
    if not named:
        return Why.NO_CARD_OF_THAT_NAME
    return Why.LARGER_THAN_CARD if named >= claim.cards.least else Why.TOO_FEW_CARDS
