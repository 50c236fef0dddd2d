"""Reservations while a rule is played: for the first job of each kind that does not fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.planner.work import ON_CPU

if TYPE_CHECKING:
    from nvinx.admission.planner.companies import Company
    from nvinx.admission.planner.holdings import Holdings
    from nvinx.admission.planner.work import Work


class _Reserved(Struct):
    """The earliest start of a job, in seconds from now, and what it leaves then.

    company, used_mib: of those who are on its card then.
    """

    job: int
    after_s: float
    card: int
    company: Company
    used_mib: int
    spare_cores: int
    spare_ram: float
    binding: bool = False


class Reservations:
    """Of one round. gain: how much more must get done for a job to join a card.

    looked_at: how many ends of running jobs were looked at for them, all cards together.
    """

    def __init__(self, work: Work, holdings: Holdings, gain: float) -> None:
        self._jobs, self._companies = work.jobs, work.companies
        self._holdings, self._gain = holdings, gain
        self._reserved: dict[bool, _Reserved] = {}  # on a card, or on the CPU
        self.looked_at = 0

    def has(self, *, on_card: bool) -> bool:
        return on_card in self._reserved

    def add(self, n: int, *, binding: bool) -> None:
        """The job's earliest start, as those who run end one by one."""
        job = self._jobs[n]
        cards = [card for card, need in enumerate(job.needs) if need is not None] or [ON_CPU]
        left_s, pace = self._holdings.left_s, self._holdings.pace
        ends = sorted((left_s[other] / pace[other], other) for other in self._holdings.running)
        self.looked_at += len(ends) * len(cards)
        found = [r for r in (self._earliest(n, card, ends) for card in cards) if r is not None]
        if found:
            best = min(found, key=lambda r: r.after_s)
            best.binding = binding
            self._reserved[best.card != ON_CPU] = best

    def allow(self, n: int, card: int, ends_after_s: float) -> bool:
        """Whether the job delays nobody; it is counted in what they leave, if so."""
        if not self._reserved:
            return True
        if not all(self._leaves(r, n, card, ends_after_s) for r in self._reserved.values()):
            return False
        for r in self._reserved.values():
            if ends_after_s > r.after_s:
                self._take(r, n, card)
        return True

    def _leaves(self, r: _Reserved, n: int, card: int, ends_after_s: float) -> bool:
        if not r.binding and ends_after_s <= r.after_s:
            return True
        job = self._jobs[n]
        if job.cores > r.spare_cores or job.ram_mib > r.spare_ram:
            return False
        if card != r.card or card == ON_CPU:
            return True
        if job.alone:
            return False
        company = self._companies.joined(r.company, job.species)
        used = r.used_mib + (job.needs[card] or 0)
        return self._holdings.may_share(r.job, card, company, used, self._gain)

    def _take(self, r: _Reserved, n: int, card: int) -> None:
        job = self._jobs[n]
        r.spare_cores -= job.cores
        r.spare_ram -= job.ram_mib
        if card == r.card != ON_CPU:
            r.company = self._companies.joined(r.company, job.species)
            r.used_mib += job.needs[card] or 0

    def _earliest(self, n: int, card: int, ends: list[tuple[float, int]]) -> _Reserved | None:
        job, held = self._jobs[n], self._holdings
        there: Company = () if card == ON_CPU else held.company[card]
        used = 0 if card == ON_CPU else held.used[card]
        r = _Reserved(n, 0.0, card, there, used, held.cores - job.cores, held.ram - job.ram_mib)
        for after_s, other in ends:
            if self._fits(r):
                return r
            self._end(r, other)
            r.after_s = after_s
        return r if self._fits(r) else None

    def _fits(self, r: _Reserved) -> bool:
        if r.spare_cores < 0 or r.spare_ram < 0:
            return False
        return r.card == ON_CPU or self._holdings.may_join(
            r.job, r.card, r.company, r.used_mib, self._gain
        )

    def _end(self, r: _Reserved, other: int) -> None:
        job = self._jobs[other]
        r.spare_cores += job.cores
        r.spare_ram += job.ram_mib
        if r.card != ON_CPU and self._holdings.where[other] == r.card:
            r.company = self._companies.without(r.company, job.species)
            r.used_mib -= job.needs[r.card] or 0
