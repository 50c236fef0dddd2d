"""How much of the bench is free in one round of admission, and what of it is reserved. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission import card_sets
from nvinx.admission.allocation import Allocation, are_open_ended
from nvinx.admission.done import Done, is_late
from nvinx.admission.estimates import WORTHWHILE, known_s
from nvinx.admission.measuring import Measuring
from nvinx.reasons import Reason, Why
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from nvinx.admission.estimates import Estimates
    from nvinx.admission.job import Job, Placement, Waiting
    from nvinx.admission.run_times import RunTimes
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Card
    from nvinx.jobs.claim import Claim

_NOTHING_KNOWN = Done()
_SHOWN = 5  # a list of everybody would grow with the square of the queue


class Reservation(Struct):
    """The earliest start of a job that does not fit now, and what it leaves of the machine then.

    cards: all that it gets then. beside: who is on each of them, by its id. binding: nobody may
    overtake any more, unless there is room for both, or the cards of a gang would idle meanwhile:
    fillable says that whoever is in its way keeps to its run time, so that this is safe.
    """

    job: Job
    residency: Residency
    start_s: float
    cards: tuple[Card, ...]
    beside: dict[str, list[Allocation]]
    spare_cores: int
    spare_ram_mib: int | None
    binding: bool = False
    fillable: bool = False

    @property
    def is_gang(self) -> bool:
        return len(self.cards) > 1


class Availability:
    """Free cores, RAM and VRAM. Lives for one round only: `policy` allocates as it admits."""

    def __init__(
        self,
        cores: int,
        ram_mib: int | None,
        at: float,
        estimates: Estimates,
        worthwhile: float = WORTHWHILE,
    ) -> None:
        self._worthwhile = worthwhile
        self.free_cores = cores
        self.free_ram_mib = ram_mib
        self.at = at
        self._estimates = estimates
        self._allocations: list[Allocation] = []
        self._on: dict[str, list[Allocation]] = defaultdict(list)
        self.reservations: list[Reservation] = []
        self._ram_left_mib: int | None = None
        self._measuring: Measuring | None = None

    @classmethod
    def of(
        cls,
        state: State,
        at: float,
        estimates: Estimates,
        worthwhile: float = WORTHWHILE,
        done: Done = _NOTHING_KNOWN,
    ) -> Availability:
        """What the running jobs leave free.

        worthwhile: how much more must get done by sharing. done: by those who run, where known.
        """
        free = cls(state.capacity.cores, state.capacity.ram_mib, at, estimates, worthwhile)
        free._ram_left_mib = state.capacity.ram_left_mib
        free._measuring = Measuring(estimates, state.waiting, at)
        claims = defaultdict(list)
        for running in state.running.values():
            for card_id in running.placement.cards:
                claims[card_id].append(running.job.claim)
        for running in state.running.values():
            claim, placement = running.job.claim, running.placement
            beside = [_others(claims[card_id], claim) for card_id in placement.cards]
            done_s = done.by(running.job.id, at)
            end_s = free._latest_s(claim, beside, running.since, at, done_s)
            free._allocate(Allocation(running.job, placement, end_s, running.since, done_s))
        if free.free_ram_mib is not None:
            free.free_ram_mib -= sum(held.ram_mib for held in state.suspended.values())
        return free

    def residents(self, card_id: str) -> list[Job]:
        return [allocation.job for allocation in self._on.get(card_id, ())]

    def allocations(self, card_id: str) -> Sequence[Allocation]:
        return self._on.get(card_id, ())

    def allocate(self, job: Job, placement: Placement) -> None:
        """Allocate to a job that starts now; what was reserved for others is left to them."""
        allocation = Allocation(job, placement, self.end_there_s(job, placement), self.at)
        self._allocate(allocation)
        if self._ram_left_mib is not None:
            self._ram_left_mib -= placement.ram_mib
        for reservation in self.reservations:
            if allocation.end_s > reservation.start_s:
                reservation.spare_cores -= job.claim.cores
                if reservation.spare_ram_mib is not None:
                    reservation.spare_ram_mib -= placement.ram_mib
                for card_id in reservation.beside.keys() & placement.cards:
                    reservation.beside[card_id].append(allocation)

    def _allocate(self, allocation: Allocation) -> None:
        self._allocations.append(allocation)
        self.free_cores -= allocation.job.claim.cores
        if self.free_ram_mib is not None:
            self.free_ram_mib -= allocation.placement.ram_mib
        for card_id in allocation.placement.cards:
            self._on[card_id].append(allocation)

    # what is free now

    def lacks(self, job: Job) -> Reason | None:
        """What of the machine itself is missing for the job: cores, RAM, or nothing."""
        if job.claim.cores > self.free_cores:
            return Reason(job.name, Why.NOT_ENOUGH_CORES, job.claim.cores, max(self.free_cores, 0))
        if self.free_ram_mib is not None and job.claim.ram_mib > self.free_ram_mib:
            return Reason(
                job.name, Why.NOT_ENOUGH_RAM, job.claim.ram_mib, max(self.free_ram_mib, 0)
            )
        return None

    def ram_beside(self, job: Job) -> int | None:
        """MiB of RAM that are free besides what this job needs, by what was allocated and by what
        is in use; None where nobody knows.
        """
        known = [mib for mib in (self.free_ram_mib, self._ram_left_mib) if mib is not None]
        return max(min(known) - job.claim.ram_mib, 0) if known else None

    def hold_ram(self, mib: int) -> None:
        """So much RAM goes to those that are suspended from now on, and to nobody else."""
        if self.free_ram_mib is not None:
            self.free_ram_mib -= mib
        if self._ram_left_mib is not None:
            self._ram_left_mib -= mib
        for reservation in self.reservations:
            if reservation.spare_ram_mib is not None:
                reservation.spare_ram_mib -= mib

    def refuses(self, card: Card, job: Job, residency: Residency) -> Reason | None:
        """Why the job may not join this card now, reservations aside; None when it may."""
        return self.refuses_beside(card, job, residency, self._on.get(card.id, ()))

    def refuses_beside(
        self, card: Card, job: Job, residency: Residency, there: Sequence[Allocation]
    ) -> Reason | None:
        """The same, if just these were there."""
        names = tuple(allocation.job.name for allocation in there)[:_SHOWN]
        if any(allocation.placement.alone for allocation in there):
            return Reason(job.name, Why.CARD_HELD_EXCLUSIVELY, behind=names)
        if there and residency is not Residency.GPU_SHARED:
            return Reason(job.name, Why.WANTS_CARD_ALONE, behind=names)
        if residency is Residency.GPU_RAM_OVERFLOW and self._ram_left_mib is not None:
            ram, left = job.claim.ram_mib, max(self._ram_left_mib, 0)
            if ram > left:
                return Reason(job.name, Why.NOT_ENOUGH_RAM, ram, left, names)
        need, free = _need_and_free(card, job, residency, there)
        if card.alone_mib <= 0 or need > free:
            why = Why.NOT_ENOUGH_VRAM if there else Why.CARD_USED_BY_OTHERS
            return Reason(job.name, why, need, free, names)
        return self._disturbs(job, there, names) if there else None

    def _disturbs(
        self, job: Job, there: Sequence[Allocation], names: tuple[str, ...]
    ) -> Reason | None:
        """The veto: sharing must get more done, unless waiting may be for ever, and break nobody's
        limit.
        """
        measured = [one for one in there if one.placement.why is Why.MEASURED_ALONE]
        if measured and not are_open_ended(measured, self.at, self._estimates):
            return Reason(job.name, Why.OTHER_IS_MEASURED, behind=names)
        residents = [allocation.job.claim for allocation in there]
        if self._estimates.awaits_lesson([*residents, job.claim]):
            return Reason(job.name, Why.LESSON_AWAITED, behind=names)
        broken = self._estimates.too_slow([*residents, job.claim])
        if broken is not None:
            claim, factor = broken
            return Reason(
                job.name,
                Why.BREAKS_MAX_SLOWDOWN,
                behind=names,
                factor=factor,
                limit=claim.max_slowdown,
            )
        after, before = self._estimates.gain(job.claim, residents)
        if self._pays(after, before) or are_open_ended(there, self.at, self._estimates):
            return None
        return Reason(job.name, Why.NO_GAIN_FROM_SHARING, behind=names, factor=after, limit=before)

    def _pays(self, after: float, before: float) -> bool:
        """Whether so much more gets done by sharing that it is worth it."""
        return after > before * self._worthwhile

    def is_to_measure(self, job: Job, card: Card) -> bool:
        """Whether the job would be alone on the card, and had better stay so."""
        is_alone = not self._on.get(card.id)
        return is_alone and self._measuring is not None and self._measuring.pays(job.claim)

    def to_measure_first(self, cards: Sequence[Card]) -> Waiting | None:
        """Who is let forward where one of these cards is empty, to be measured alone there."""
        is_idle = any(not self._on.get(card.id) for card in cards)
        return self._measuring.first() if is_idle and self._measuring is not None else None

    def is_trial(self, job: Job, card: Card) -> bool:
        """Whether the job joins the card to learn what sharing costs."""
        residents = [other.claim for other in self.residents(card.id)]
        return bool(residents) and self._estimates.is_trial(job.claim, residents)

    def is_beside_open_ended(self, job: Job, card: Card) -> bool:
        """Whether the job joins the card only as those on it may never end."""
        residents = [other.claim for other in self.residents(card.id)]
        return bool(residents) and not self._pays(*self._estimates.gain(job.claim, residents))

    def end_s(self, job: Job, card_id: str | None) -> float:
        """When the job would end if it started on this card, or on the CPU, now."""
        there = None if card_id is None else [other.claim for other in self.residents(card_id)]
        return self._estimates.end_s(job.claim, there, self.at, self.at)

    def end_there_s(self, job: Job, placement: Placement) -> float:
        """The same for all cards of a placement: it is as slow as on the worst of them."""
        return max(self.end_s(job, card_id) for card_id in placement.cards or (None,))

    def gpu_work(self, run_times: RunTimes) -> tuple[float, float]:
        """Seconds of work, alone, that the cards' jobs have left, and those done per second.

        A card that is idle works at 1.
        """
        work_s, pace = 0.0, 0.0
        for allocations in self._on.values():
            claims = [allocation.job.claim for allocation in allocations]
            each = self._estimates.throughput(claims) / max(len(claims), 1)
            work_s += sum(self._left_s(t, each, run_times) for t in allocations) * each
            pace += max(each * len(claims), 1.0)
        return work_s, max(pace, 1.0)

    def _left_s(self, allocation: Allocation, pace: float, run_times: RunTimes) -> float:
        """Until it ends at such a pace; a tenth of its age more, where it ran longer than usual."""
        if math.isfinite(allocation.end_s):
            return allocation.end_s - self.at
        age_s = self.at - allocation.since
        return max(run_times.on_card_s(allocation.job.claim) / pace - age_s, 0.1 * age_s)

    # what is reserved

    def overtakes(self, job: Job, placement: Placement) -> Reason | None:
        """Whose reservation this job would delay if it started now; None when nobody's."""
        if not self.reservations:
            return None
        end_s = self.end_there_s(job, placement)
        for reservation in self.reservations:
            if not self._leaves(reservation, job, placement, end_s):
                return Reason(job.name, Why.BEHIND_OLDER_JOB, behind=(reservation.job.name,))
        return None

    def _leaves(
        self, reservation: Reservation, job: Job, placement: Placement, end_s: float
    ) -> bool:
        foreseen = math.isfinite(reservation.start_s) and math.isfinite(end_s)
        in_time = end_s <= reservation.start_s
        if not reservation.binding and (in_time or not foreseen):
            return True
        new = Allocation(job, placement, end_s, self.at)
        if reservation.is_gang and not self._delays_nobody(reservation, new):
            return False
        if reservation.fillable and in_time:
            return True
        if job.claim.cores > reservation.spare_cores:
            return False
        if reservation.spare_ram_mib is not None and placement.ram_mib > reservation.spare_ram_mib:
            return False
        wants, how = reservation.job, reservation.residency
        return all(
            self.refuses_beside(card, wants, how, [*reservation.beside[card.id], new]) is None
            for card in reservation.cards
            if card.id in placement.cards
        )

    def _delays_nobody(self, reservation: Reservation, new: Allocation) -> bool:
        """Whether all that is in the way of a reservation still ends before it beside the new."""
        return all(
            self._ends_s(allocation, new) <= reservation.start_s
            for card_id in reservation.beside.keys() & new.placement.cards
            for allocation in self._on.get(card_id, ())
            if allocation.end_s <= reservation.start_s
        )

    def _ends_s(self, allocation: Allocation, new: Allocation) -> float:
        """When the allocation ends beside all that are there, and a newcomer."""
        beside = self._beside(allocation)
        for card_id in beside.keys() & new.placement.cards:
            beside[card_id].append(new.job.claim)
        claim, since = allocation.job.claim, allocation.since
        return self._latest_s(claim, beside.values(), since, self.at, allocation.done_s)

    def _beside(self, allocation: Allocation) -> dict[str, list[Claim]]:
        """Who is on each of its cards with it."""
        claim = allocation.job.claim
        return {
            card_id: _others([other.job.claim for other in self._on[card_id]], claim)
            for card_id in allocation.placement.cards
        }

    def _latest_s(
        self,
        claim: Claim,
        beside: Collection[Sequence[Claim]],
        since: float,
        at: float,
        done_s: float | None = None,
    ) -> float:
        """When a job ends beside those on each of its cards; on the CPU it has none."""
        each = beside or (None,)
        return max(self._estimates.end_s(claim, partners, since, at, done_s) for partners in each)

    def reserve(
        self, job: Job, residency: Residency, cards: Sequence[Card], *, binding: bool, settled: bool
    ) -> None:
        """Reserve the earliest start that can be foreseen for a job that does not fit now.

        Nothing where it would not fit on an empty card either: it waits for programs outside nvinx.
        settled: on the card whose last newcomer came first. Foreseen ends that turn out wrong may
        send a reservation from card to card for ever, while newcomers fill the card that it left.
        """
        if residency is Residency.CPU_ONLY:
            best = self._earliest(job, residency, ())
        else:
            best = self._earliest_on(job, residency, cards, settled=settled)
        if best is not None:
            best.binding = binding
            is_known = math.isfinite(best.start_s)
            best.fillable = best.is_gang and is_known and not self._is_late(best)
            self.reservations.append(best)

    def _earliest_on(
        self, job: Job, residency: Residency, cards: Sequence[Card], *, settled: bool
    ) -> Reservation | None:
        """On the cards that are free first; all of a gang's, once the last of them is."""
        each = {card: self._earliest(job, residency, (card,)) for card in cards}
        start_s = {card: found.start_s for card, found in each.items() if found is not None}
        number = card_sets.fewest(job.claim, residency, start_s)
        if number is None:
            return None
        soon_s = sorted(start_s.values())[number - 1] if number > 1 else -math.inf
        ranked = sorted(
            start_s,
            key=lambda c: (settled and self._newest(c, soon_s), start_s[c], self._used_mib(c)),
        )
        if number == 1:
            return each[ranked[0]]
        chosen = next(card_sets.sets(job.claim.with_cards(number), residency, ranked))
        return self._earliest(job, residency, chosen)

    def _earliest(
        self, job: Job, residency: Residency, cards: tuple[Card, ...]
    ) -> Reservation | None:
        """Let the allocations end one by one, the first to end first, until the job fits."""
        cores, ram = self.free_cores, self.free_ram_mib
        there = {card.id: list(self._on.get(card.id, ())) for card in cards}
        start_s = self.at
        for allocation in sorted(self._allocations, key=lambda t: t.end_s):
            if self._fits(job, residency, cards, cores, ram, there):
                break
            start_s = allocation.end_s
            cores += allocation.job.claim.cores
            ram = None if ram is None else ram + allocation.placement.ram_mib
            for card_id in there.keys() & allocation.placement.cards:
                there[card_id] = [other for other in there[card_id] if other is not allocation]
        if not self._fits(job, residency, cards, cores, ram, there):
            return None
        spare_ram = None if ram is None else ram - job.claim.ram_mib
        spare_cores = cores - job.claim.cores
        return Reservation(job, residency, start_s, cards, there, spare_cores, spare_ram)

    def _newest(self, card: Card, soon_s: float) -> float:
        """When the last newcomer came, of those that do not end by then or run on and on."""
        there = (
            allocation.since
            for allocation in self._on.get(card.id, ())
            if allocation.end_s > soon_s or self._runs_on(allocation)
        )
        return max(there, default=0.0)

    def _is_late(self, reservation: Reservation) -> bool:
        """Whether anybody in its way runs for longer than was expected, who knows how long."""
        there = (a for card_id in reservation.beside for a in self._on.get(card_id, ()))
        return any(a.end_s <= reservation.start_s and self._runs_on(a) for a in there)

    def _runs_on(self, allocation: Allocation) -> bool:
        """Whether it should have ended by now."""
        claim, since, done_s = allocation.job.claim, allocation.since, allocation.done_s
        if done_s is None:
            return self._latest_s(claim, self._beside(allocation).values(), since, since) <= self.at
        runtime_s = known_s(claim, on_cpu=not allocation.placement.cards)
        return runtime_s is not None and is_late(runtime_s, done_s)

    def _used_mib(self, card: Card) -> int:
        return sum(t.placement.mib_on(card.id) for t in self._on.get(card.id, ()))

    def _fits(
        self,
        job: Job,
        residency: Residency,
        cards: Sequence[Card],
        cores: int,
        ram_mib: int | None,
        there: Mapping[str, Sequence[Allocation]],
    ) -> bool:
        if job.claim.cores > cores or (ram_mib is not None and job.claim.ram_mib > ram_mib):
            return False
        return all(
            self.refuses_beside(card, job, residency, there[card.id]) is None for card in cards
        )


def _need_and_free(
    card: Card, job: Job, residency: Residency, there: Sequence[Allocation]
) -> tuple[int, int]:
    if residency is Residency.GPU_RAM_OVERFLOW:
        return (0 if job.claim.is_gang else job.claim.least_on_card_mib), card.weights_mib
    if residency is Residency.GPU_EXCLUSIVE:
        return job.claim.vram_mib or 0, card.alone_mib
    used = sum(allocation.placement.mib_on(card.id) for allocation in there)
    return card.need_mib(job.claim), max(card.budget_mib - used, 0)


def _others(there: Sequence[Claim], claim: Claim) -> list[Claim]:
    """Who is beside one of these."""
    others = list(there)
    others.remove(claim)
    return others
