"""Reservations while a rule is played: for the first job of each kind that does not fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.planner.work import ON_CPU

if TYPE_CHECKING:
    from nvinx.admission.planner.companies import Company
    from nvinx.admission.planner.holdings import Holdings
    from nvinx.admission.planner.work import Cards, Work


class _Reserved(Struct):
    """The earliest start of a job, in seconds from now, and what it leaves then.

    companies, used_mib: of those who are on each of its cards then, by the card. fillable: whoever
    is in its way keeps to its run time, so that others may fill its cards until then.
    """

    job: int
    after_s: float
    companies: dict[int, Company]
    used_mib: dict[int, int]
    spare_cores: int
    spare_ram: float
    binding: bool = False
    fillable: bool = False

    @property
    def cards(self) -> Cards:
        return tuple(self.companies)

    @property
    def is_gang(self) -> bool:
        return len(self.companies) > 1


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

    @property
    def cards(self) -> Cards:
        """Those that are reserved."""
        return self._reserved[True].cards if True in self._reserved else ()

    def add(self, n: int, *, binding: bool) -> None:
        """The job's earliest start, as those who run end one by one."""
        left_s, pace = self._holdings.left_s, self._holdings.pace
        ends = sorted([(left_s[other] / pace[other], other) for other in self._holdings.running])
        found = self._on_some(n, ends)
        if found is not None:
            found.binding = binding
            found.fillable = found.is_gang and not self._is_late(found)
            self._reserved[bool(found.companies)] = found

    def allow(self, n: int, cards: Cards, ends_after_s: float) -> bool:
        """Whether the job delays nobody; it is counted in what they leave, if so."""
        if not self._reserved:
            return True
        if not all(self._leaves(r, n, cards, ends_after_s) for r in self._reserved.values()):
            return False
        for r in self._reserved.values():
            if ends_after_s > r.after_s:
                self._take(r, n, cards)
        return True

    def _leaves(self, r: _Reserved, n: int, cards: Cards, ends_after_s: float) -> bool:
        in_time = ends_after_s <= r.after_s
        if in_time and not r.binding:
            return True
        if r.is_gang and not self._delays_nobody(r, n, cards):
            return False
        if in_time and r.fillable:
            return True
        job = self._jobs[n]
        if job.cores > r.spare_cores or job.ram_mib > r.spare_ram:
            return False
        for card in cards:
            if card in r.companies and not self._fits_beside(r, n, card):
                return False
        return True

    def _fits_beside(self, r: _Reserved, n: int, card: int) -> bool:
        job = self._jobs[n]
        if job.alone:
            return False
        company = self._companies.joined(r.companies[card], job.species)
        used = r.used_mib[card] + (job.needs[card] or 0)
        return self._holdings.may_share(r.job, card, company, used, self._gain)

    def _delays_nobody(self, r: _Reserved, n: int, cards: Cards) -> bool:
        """Whether all that is in the way of a job of several cards still ends before it."""
        held, species = self._holdings, self._jobs[n].species
        for card in cards:
            if card not in r.companies:
                continue
            paces = self._companies.paces(self._companies.joined(held.company[card], species))
            for other in held.on[card]:
                slower = min(held.pace[other], paces[self._jobs[other].species])
                if held.left_s[other] / held.pace[other] <= r.after_s < held.left_s[other] / slower:
                    return False
        return True

    def _is_late(self, r: _Reserved) -> bool:
        """Whether anybody in its way runs on for longer than was expected."""
        there = (other for card in r.companies for other in self._holdings.on[card])
        return any(
            self._jobs[other].is_late and self._ends_s(other) <= r.after_s for other in there
        )

    def _ends_s(self, n: int) -> float:
        return self._holdings.left_s[n] / self._holdings.pace[n]

    def _take(self, r: _Reserved, n: int, cards: Cards) -> None:
        job = self._jobs[n]
        r.spare_cores -= job.cores
        r.spare_ram -= job.ram_mib
        for card in cards:
            if card in r.companies:
                r.companies[card] = self._companies.joined(r.companies[card], job.species)
                r.used_mib[card] += job.needs[card] or 0

    def _on_some(self, n: int, ends: list[tuple[float, int]]) -> _Reserved | None:
        """On the cards that are free first, or on the CPU; all of several once the last is free."""
        job = self._jobs[n]
        cards = [card for card, need in enumerate(job.needs) if need is not None]
        if job.card_s is None:
            return self._earliest(n, ON_CPU, ends)
        found = [r for r in (self._earliest(n, (card,), ends) for card in cards) if r is not None]
        if len(found) < job.least:
            return None
        found.sort(key=lambda r: r.after_s)
        if job.least == 1:
            return found[0]
        return self._earliest(n, tuple(card for r in found[: job.least] for card in r.cards), ends)

    def _earliest(self, n: int, cards: Cards, ends: list[tuple[float, int]]) -> _Reserved | None:
        job, held = self._jobs[n], self._holdings
        self.looked_at += len(ends)
        companies = {card: held.company[card] for card in cards}
        used = {card: held.used[card] for card in cards}
        r = _Reserved(n, 0.0, companies, used, held.cores - job.cores, held.ram - job.ram_mib)
        for after_s, other in ends:
            if self._fits(r):
                return r
            self._end(r, other)
            r.after_s = after_s
        return r if self._fits(r) else None

    def _fits(self, r: _Reserved) -> bool:
        if r.spare_cores < 0 or r.spare_ram < 0:
            return False
        held = self._holdings
        for card, company in r.companies.items():
            used_mib = r.used_mib[card]
            if company and not held.may_join(r.job, card, company, used_mib, self._gain):
                return False
        return True

    def _end(self, r: _Reserved, other: int) -> None:
        job = self._jobs[other]
        r.spare_cores += job.cores
        r.spare_ram += job.ram_mib
        for card in self._holdings.where[other]:
            if card in r.companies:
                r.companies[card] = self._companies.without(r.companies[card], job.species)
                r.used_mib[card] -= job.needs[card] or 0
