"""How fast jobs work side by side, and what a newcomer gains: asked once for each company. Pure."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

if TYPE_CHECKING:
    from nvinx.admission.estimates import Estimates
    from nvinx.jobs.claim import Claim

Company: TypeAlias = tuple[int, ...]  # the species of those on one card, sorted


class Companies:
    """Jobs that disturb alike are of one species, a number; a company is those on one card."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._species: dict[tuple[str, float | None], int] = {}
        self._claims: list[Claim] = []
        self._paces: dict[Company, dict[int, float]] = {}
        self._gains: dict[tuple[Company, int], float] = {}
        self._with: dict[tuple[Company, int], Company] = {}
        self._without: dict[tuple[Company, int], Company] = {}

    def species(self, claim: Claim) -> int:
        key = (claim.profile, claim.max_slowdown)
        if key not in self._species:
            self._species[key] = len(self._claims)
            self._claims.append(replace(claim, priority=0))
        return self._species[key]

    def paces(self, company: Company) -> dict[int, float]:
        """Work per second of each species in it, in units of one alone."""
        found = self._paces.get(company)
        if found is None:
            found = self._paces[company] = {
                one: 1.0 / self._estimates.slowdown(self._claims[one], self._others(company, one))
                for one in set(company)
            }
        return found

    def joined(self, company: Company, newcomer: int) -> Company:
        found = self._with.get((company, newcomer))
        if found is None:
            listed = list(company)
            insort(listed, newcomer)
            found = self._with[company, newcomer] = tuple(listed)
        return found

    def without(self, company: Company, one: int) -> Company:
        found = self._without.get((company, one))
        if found is None:
            listed = list(company)
            listed.remove(one)
            found = self._without[company, one] = tuple(listed)
        return found

    def gain(self, company: Company, newcomer: int) -> float:
        """Work per second with the newcomer over that without; 0 where a limit would be broken."""
        found = self._gains.get((company, newcomer))
        if found is None:
            found = self._gains[company, newcomer] = self._gain(company, newcomer)
        return found

    def _gain(self, company: Company, newcomer: int) -> float:
        residents, claim = [self._claims[one] for one in company], self._claims[newcomer]
        if self._estimates.too_slow([*residents, claim]) is not None:
            return 0.0
        after, before = self._estimates.gain(claim, residents)
        return after / before

    def _others(self, company: Company, one: int) -> list[Claim]:
        return [self._claims[other] for other in self.without(company, one)]
