"""How much of the bench is free in one round of admission, and what of it is reserved. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.estimates import WORTHWHILE
from nvinx.admission.measuring import Measuring
from nvinx.catalog import Residency
from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.estimates import Estimates
    from nvinx.admission.job import Job, Placement, Waiting
    from nvinx.admission.run_times import RunTimes
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Card

_SHOWN = 5  # a list of everybody would grow with the square of the queue


class Allocation(Struct):
    """A job that holds part of the bench, until about `end_s` (infinite: nobody knows)."""

    job: Job
    placement: Placement
    end_s: float
    since: float


class Reservation(Struct):
    """The earliest start of a job that does not fit now, and what it leaves of the machine then.

    beside: who is on its card then. binding: nobody may overtake any more, unless there is room
    for both.
    """

    job: Job
    residency: Residency
    start_s: float
    card: Card | None
    beside: list[Allocation]
    spare_cores: int
    spare_ram_mib: int | None
    binding: bool


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
        cls, state: State, at: float, estimates: Estimates, worthwhile: float = WORTHWHILE
    ) -> Availability:
        """What the running jobs leave free. worthwhile: how much more must get done by sharing."""
        free = cls(state.capacity.cores, state.capacity.ram_mib, at, estimates, worthwhile)
        free._ram_left_mib = state.capacity.ram_left_mib
        free._measuring = Measuring(estimates, state.waiting, at)
        claims = defaultdict(list)
        for running in state.running.values():
            claims[running.placement.card].append(running.job.claim)
        for running in state.running.values():
            card, claim = running.placement.card, running.job.claim
            partners = None if card is None else list(claims[card])
            if partners:
                partners.remove(claim)
            end_s = estimates.end_s(claim, partners, running.since, at)
            free._allocate(Allocation(running.job, running.placement, end_s, running.since))
        return free

    def residents(self, card_id: str) -> list[Job]:
        return [allocation.job for allocation in self._on.get(card_id, ())]

    def allocate(self, job: Job, placement: Placement) -> None:
        """Allocate to a job that starts now; what was reserved for others is left to them."""
        allocation = Allocation(job, placement, self.end_s(job, placement.card), self.at)
        self._allocate(allocation)
        if self._ram_left_mib is not None:
            self._ram_left_mib -= placement.ram_mib
        for reservation in self.reservations:
            if allocation.end_s > reservation.start_s:
                reservation.spare_cores -= job.claim.cores
                if reservation.spare_ram_mib is not None:
                    reservation.spare_ram_mib -= placement.ram_mib
                if reservation.card is not None and reservation.card.id in placement.cards:
                    reservation.beside.append(allocation)

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

    def refuses(self, card: Card, job: Job, residency: Residency) -> Reason | None:
        """Why the job may not join this card now, reservations aside; None when it may."""
        return self._refusal(card, job, residency, self._on.get(card.id, ()))

    def _refusal(
        self, card: Card, job: Job, residency: Residency, there: Sequence[Allocation]
    ) -> Reason | None:
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
        """The veto: sharing must get more done, and break nobody's limit."""
        if any(allocation.placement.why is Why.MEASURED_ALONE for allocation in there):
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
        if after > before * self._worthwhile:
            return None
        return Reason(job.name, Why.NO_GAIN_FROM_SHARING, behind=names, factor=after, limit=before)

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

    def end_s(self, job: Job, card_id: str | None) -> float:
        """When the job would end if it started on this card, or on the CPU, now."""
        there = None if card_id is None else [other.claim for other in self.residents(card_id)]
        return self._estimates.end_s(job.claim, there, self.at, self.at)

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
        end_s = self.end_s(job, placement.card)
        for reservation in self.reservations:
            if not self._leaves(reservation, job, placement, end_s):
                return Reason(job.name, Why.BEHIND_OLDER_JOB, behind=(reservation.job.name,))
        return None

    def _leaves(
        self, reservation: Reservation, job: Job, placement: Placement, end_s: float
    ) -> bool:
        foreseen = math.isfinite(reservation.start_s) and math.isfinite(end_s)
        if not reservation.binding and (end_s <= reservation.start_s or not foreseen):
            return True
        if job.claim.cores > reservation.spare_cores:
            return False
        if reservation.spare_ram_mib is not None and placement.ram_mib > reservation.spare_ram_mib:
            return False
        if reservation.card is None or reservation.card.id not in placement.cards:
            return True
        beside = [*reservation.beside, Allocation(job, placement, end_s, self.at)]
        return (
            self._refusal(reservation.card, reservation.job, reservation.residency, beside) is None
        )

    def reserve(
        self, job: Job, residency: Residency, cards: Sequence[Card], *, binding: bool, settled: bool
    ) -> None:
        """Reserve the earliest start that can be foreseen for a job that does not fit now.

        Nothing where it would not fit on an empty card either: it waits for programs outside nvinx.
        settled: on the card whose last newcomer came first. Foreseen ends that turn out wrong may
        send a reservation from card to card for ever, while newcomers fill the card that it left.
        """
        places: Sequence[Card | None] = [None] if residency is Residency.CPU_ONLY else cards
        found = [self._earliest(job, residency, card) for card in places]
        possible = [reservation for reservation in found if reservation is not None]
        if possible:
            best = min(
                possible,
                key=lambda p: (settled and self._newest(p.card), p.start_s, self._used_mib(p.card)),
            )
            best.binding = binding
            self.reservations.append(best)

    def _earliest(self, job: Job, residency: Residency, card: Card | None) -> Reservation | None:
        """Let the allocations end one by one, the first to end first, until the job fits."""
        cores, ram = self.free_cores, self.free_ram_mib
        there = list(self._on.get(card.id, ())) if card else []
        start_s = self.at
        for allocation in sorted(self._allocations, key=lambda t: t.end_s):
            if self._fits(job, residency, card, cores, ram, there):
                break
            start_s = allocation.end_s
            cores += allocation.job.claim.cores
            ram = None if ram is None else ram + allocation.placement.ram_mib
            there = [other for other in there if other is not allocation]
        if not self._fits(job, residency, card, cores, ram, there):
            return None
        spare_ram = None if ram is None else ram - job.claim.ram_mib
        spare_cores = cores - job.claim.cores
        return Reservation(
            job, residency, start_s, card, there, spare_cores, spare_ram, binding=False
        )

    def _newest(self, card: Card | None) -> float:
        there = () if card is None else self._on.get(card.id, ())
        return max((allocation.since for allocation in there), default=0.0)

    def _used_mib(self, card: Card | None) -> int:
        there = () if card is None else self._on.get(card.id, ())
        return sum(allocation.placement.vram_mib for allocation in there)

    def _fits(
        self,
        job: Job,
        residency: Residency,
        card: Card | None,
        cores: int,
        ram_mib: int | None,
        there: Sequence[Allocation],
    ) -> bool:
        if job.claim.cores > cores or (ram_mib is not None and job.claim.ram_mib > ram_mib):
            return False
        return card is None or self._refusal(card, job, residency, there) is None


def _need_and_free(
    card: Card, job: Job, residency: Residency, there: Sequence[Allocation]
) -> tuple[int, int]:
    if residency is Residency.GPU_RAM_OVERFLOW:
        return job.claim.least_on_card_mib, card.weights_mib
    if residency is Residency.GPU_EXCLUSIVE:
        return job.claim.vram_mib or 0, card.alone_mib
    used = sum(allocation.placement.vram_mib for allocation in there)
    return card.need_mib(job.claim), max(card.budget_mib - used, 0)
