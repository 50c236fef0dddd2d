"""Who holds what of a bench while a rule is played, and how fast each works. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.admission.planner.companies import Company
    from nvinx.admission.planner.work import Cards, Work

_ANY_SIZE = 1 << 60


class Holdings:
    """Jobs and cards by their numbers; who holds no card is on the CPU.

    left_s: of each job's work, in seconds alone. pace: work per second.
    """

    def __init__(self, work: Work) -> None:
        self._jobs, self._companies, self._budgets = work.jobs, work.companies, work.budgets
        self.cores = work.cores
        self.ram: float = math.inf if work.ram_mib is None else work.ram_mib
        self.on: list[list[int]] = [[] for _ in work.budgets]
        self.company: list[Company] = [() for _ in work.budgets]
        self.used = [0] * len(work.budgets)
        self.left_s = [job.left_s for job in work.jobs]
        self.pace = [1.0] * len(work.jobs)
        self.where: list[Cards] = [job.cards or () for job in work.jobs]
        self.running: list[int] = []
        self._taken_alone = [False] * len(work.budgets)
        self._too_large: dict[int, int] = {}
        for n, job in enumerate(work.jobs):
            if job.cards is not None:
                self._hold(n, job.cards)

    def start(self, n: int, cards: Cards, work_s: float) -> None:
        self.left_s[n] = work_s
        self._hold(n, cards)

    def end(self, n: int) -> None:
        job = self._jobs[n]
        self.running.remove(n)
        self.cores += job.cores
        self.ram += job.ram_mib
        for card in self.where[n]:
            self.on[card].remove(n)
            self.used[card] -= job.needs[card] or 0
            self._taken_alone[card] = False
            self.company[card] = self._companies.without(self.company[card], job.species)
            self._pace_anew(card)

    def begin_round(self) -> None:
        """Nobody was refused yet: within a round cards only become fuller."""
        self._too_large.clear()

    def options(self, n: int, gain: float, reserved: Cards = ()) -> list[tuple[float, Cards]]:
        """What it may have, best first: seconds to its end there, and which cards.

        reserved: what a job of several cards leaves to others, if it can.
        """
        job = self._jobs[n]
        largest, smallest = job.size
        if smallest >= self._too_large.get(job.species, _ANY_SIZE):
            return []
        ranked = self._cards(n, gain)
        if not ranked and None not in job.needs:
            self._too_large[job.species] = largest
        if job.most == 1:
            return [(after_s, (card,)) for after_s, _, card in ranked]
        unreserved = [one for one in ranked if one[2] not in reserved]
        return [
            (some[number - 1][0], tuple(card for *_, card in some[:number]))
            for some in (unreserved, ranked)
            for number in range(min(job.most, len(some)), job.least - 1, -1)
        ]

    def _cards(self, n: int, gain: float) -> list[tuple[float, int, int]]:
        """The cards that it may join: seconds to its end there, how many are there, which."""
        job, found = self._jobs[n], []
        for card, need in enumerate(job.needs):
            there = self.company[card]
            if need is None:
                continue
            if not there or self.may_join(n, card, there, self.used[card], gain):
                joined = self._companies.joined(there, job.species)
                pace = self._companies.paces(joined)[job.species]
                found.append(((job.card_s or 0.0) / pace, len(there), card))
        return sorted(found) if len(found) > 1 else found

    def may_join(self, n: int, card: int, company: Company, used: int, gain: float) -> bool:
        """Whether it may join those, one or more, of the card's own who are still there."""
        return not self._taken_alone[card] and self.may_share(n, card, company, used, gain)

    def may_share(self, n: int, card: int, company: Company, used: int, gain: float) -> bool:
        """Whether it may be beside a company that shares and holds so many MiB of the card."""
        job = self._jobs[n]
        if job.alone or used + (job.needs[card] or 0) > self._budgets[card]:
            return False
        return self._companies.gain(company, job.species) > gain

    def wait_s(self, more_s: float) -> float:
        """Until the work on cards is done, and so much more, at their pace now."""
        work_s = more_s + sum(self.left_s[n] for there in self.on for n in there)
        paces = (sum(self.pace[n] for n in there) for there in self.on if there)
        return work_s / max(sum(max(pace, 1.0) for pace in paces), 1.0)

    def _hold(self, n: int, cards: Cards) -> None:
        job = self._jobs[n]
        self.cores -= job.cores
        self.ram -= job.ram_mib
        self.where[n] = cards
        self.running.append(n)
        for card in cards:
            self.on[card].append(n)
            self.used[card] += job.needs[card] or 0
            self._taken_alone[card] = job.alone
            self.company[card] = self._companies.joined(self.company[card], job.species)
            self._pace_anew(card)

    def _pace_anew(self, card: int) -> None:
        paces = self._companies.paces(self.company[card])
        for n in self.on[card]:
            is_one = len(self.where[n]) == 1
            self.pace[n] = paces[self._jobs[n].species] if is_one else self._slowest(n)

    def _slowest(self, n: int) -> float:
        """The pace of a job on several cards, whose parts wait for each other."""
        there = (self.company[card] for card in self.where[n])
        species = self._jobs[n].species
        return min(self._companies.paces(one).get(species, 1.0) for one in there)
