"""What is believed of the jobs on a bench: how long they run, and how they slow each other down."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from nvinx.admission.done import left_s

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nvinx.history.statistics import RunStatistics
    from nvinx.interference.belief import Belief
    from nvinx.interference.slowdown import SlowdownModel, Source
    from nvinx.jobs.claim import Claim

# How much more must get done together: a smaller gain is within the error of its prediction.
WORTHWHILE = 1.03

# How much of the work per time may be lost, as far as is known, where a trial may show better.
MOST_LOST = 0.4

# How far towards the upper end of its interval a slowdown is believed: of many pairs the one that
# looks best is likely to be one that was predicted too well.
CAUTION: Mapping[Source, float] = {"measured": 0.0, "predicted": 0.0, "unknown": 1.0}
# Of ln slowdown of all pairs: runs in company say hardly anything then.
VAGUE_SD = 0.25
NONE: Mapping[Source, float] = dict.fromkeys(CAUTION, 0.0)


class Estimates:
    """Expected run times and slowdowns; remembers what it worked out.

    slowdowns: of this card, None when nobody calibrated. utilisation: solo, 0..1 by profile, which
    decides only where slowdowns are not known. statistics: what earlier runs taught, with the
    calibration's pairs among it; once it has a belief, that has the word. caution: see `CAUTION`;
    `NONE` for the truth of a simulation.
    """

    def __init__(
        self,
        slowdowns: SlowdownModel | None = None,
        utilisation: Mapping[str, float] | None = None,
        statistics: RunStatistics | None = None,
        *,
        caution: Mapping[Source, float] = CAUTION,
    ) -> None:
        self._slowdowns = slowdowns
        self._caution = caution
        self._utilisation = utilisation or {}
        self._statistics = statistics
        self._known: dict[tuple[str, tuple[str, ...]], float] = {}
        self._remembered: Belief | None = None
        self._of_belief: dict[tuple[str, frozenset[tuple[str, int]], bool], float] = {}
        self._conflicts: dict[tuple[str, float | None, str, float | None], bool] = {}

    @property
    def _belief(self) -> Belief | None:
        return None if self._statistics is None else self._statistics.belief

    def slowdown(self, claim: Claim, partners: Iterable[Claim]) -> float:
        """Time beside the partners over time alone; the less is known, the more cautious."""
        return self._beside(claim.profile, Counter(partner.profile for partner in partners))

    def can_be_told(self, claim: Claim, partners: Iterable[Claim]) -> bool:
        """Whether enough is known of the slowdown beside these that a figure misleads nobody."""
        belief = self._belief
        names = (partner.profile for partner in partners)
        return belief is None or all(belief.can_be_told(claim.profile, name) for name in names)

    def _beside(self, profile: str, partners: Mapping[str, int], *, drawn: bool = False) -> float:
        """The slowdown of one profile. partners: how many of each there are beside it.

        drawn: by the posterior's draw, so that what may be good is tried.
        """
        belief = self._belief
        if belief is not None:
            return self._by_runs(belief, profile, partners, drawn=drawn)
        return self._predicted(profile, [name for name, n in partners.items() for _ in range(n)])

    def _by_runs(
        self, belief: Belief, profile: str, partners: Mapping[str, int], *, drawn: bool
    ) -> float:
        if belief is not self._remembered:
            self._remembered, self._of_belief = belief, {}
        key = (profile, frozenset(partners.items()), drawn)
        if key not in self._of_belief:
            self._of_belief[key] = belief.slowdown(profile, partners, drawn=drawn)
        return self._of_belief[key]

    def _predicted(self, profile: str, partners: Sequence[str]) -> float:
        if not partners or self._slowdowns is None:
            return 1.0
        names = tuple(sorted(partners))
        key = (profile, names)
        if key not in self._known:
            said = self._slowdowns.predict(profile, names)
            self._known[key] = (
                said.slowdown * (said.high / said.slowdown) ** self._caution[said.source]
            )
        return max(self._known[key], 1.0)

    def throughput(self, claims: Collection[Claim], *, drawn: bool = False) -> float:
        """Work per time of these jobs on one card, in units of one job alone."""
        if self._slowdowns is None and self._belief is None:
            return float(len(claims))
        there = Counter(claim.profile for claim in claims)
        return sum(
            n / self._beside(name, _without_one(there, name), drawn=drawn)
            for name, n in there.items()
        )

    def wants_alone(self, claim: Claim) -> bool:
        """Whether nobody knows yet how long this job takes alone."""
        calibrated = self._slowdowns.traits if self._slowdowns is not None else {}
        if self._statistics is None or claim.profile in calibrated:
            return False
        solo = None if self._belief is None else self._belief.solo.get(claim.kind)
        if solo is not None and solo.is_known:
            return False
        return self._statistics.wants_alone(claim.profile)

    def is_stranger(self, claim: Claim) -> bool:
        """Whether it is a guess what sharing with it costs, while more is known of others."""
        return self._belief is not None and self._belief.is_stranger(claim.profile)

    def awaits_lesson(self, claims: Iterable[Claim]) -> bool:
        """Whether one of these was just measured alone, and what that tells is being worked out."""
        statistics = self._statistics
        return statistics is not None and any(statistics.awaits_lesson(c.profile) for c in claims)

    def is_vague(self, claim: Claim) -> bool:
        """Whether runs in company tell hardly anything of what sharing costs this job."""
        pairs = {} if self._belief is None else self._belief.pairs.get(claim.profile, {})
        return min((pair.sd_of_slowdown for pair in pairs.values()), default=math.inf) > VAGUE_SD

    def gain_beside(self, claim: Claim, other: Claim) -> float:
        """How much more the two get done side by side than one alone, as a share; 0 at least."""
        return max(self.throughput([claim, other]) - 1.0, 0.0)

    def too_slow(self, claims: Collection[Claim]) -> tuple[Claim, float] | None:
        """The first whose `max_slowdown` would be broken if these shared a card, and by what."""
        limited = [claim for claim in claims if claim.max_slowdown is not None]
        there = Counter(claim.profile for claim in claims) if limited else Counter[str]()
        for claim in limited:
            factor = self._beside(claim.profile, _without_one(there, claim.profile))
            if factor > (claim.max_slowdown or math.inf):
                return claim, factor
        return None

    def gain(self, claim: Claim, residents: Sequence[Claim]) -> tuple[float, float]:
        """Throughput with the newcomer and without; joining pays when the first is larger.

        What runs taught is drawn from what may be true (Thompson sampling), so that what may be
        good is tried, and what looked bad once is tried again, the less often the surer it is.
        Where neither a calibration nor earlier runs speak, busy shares that add up to more than 1
        count as no gain, and unknown ones as nothing. Nothing was predicted then that could err, so
        the gain counts as large however many are there.
        """
        if not self._speaks_of([claim, *residents]):
            before = float(len(residents))
            shares = (self._utilisation.get(each.profile, 0.0) for each in (*residents, claim))
            return (before if sum(shares) > 1.0 else math.inf), before
        together = [*residents, claim]
        before = self.throughput(residents, drawn=True)
        after = self.throughput(together, drawn=True)
        least = (1.0 - MOST_LOST) * self.throughput(residents)
        return (after if self.throughput(together) >= least else min(after, before)), before

    def is_trial(self, claim: Claim, residents: Sequence[Claim]) -> bool:
        """Whether sharing probably gets less done, and is worth a try all the same."""
        if self._belief is None or not self._speaks_of([claim, *residents]):
            return False
        return self.throughput([*residents, claim]) < WORTHWHILE * self.throughput(residents)

    def _speaks_of(self, claims: Iterable[Claim]) -> bool:
        """Whether a calibration or runs say anything of some of these."""
        belief = self._belief
        if belief is None:
            return self._slowdowns is not None
        return any(claim.profile in belief.pairs for claim in claims)

    def conflict(self, one: Claim, other: Claim) -> bool:
        """Whether the two must not meet on a card: less gets done, or one is slowed too much."""
        if self._belief is not None:
            return self._conflict(one, other)  # runs may teach otherwise
        key = (one.profile, one.max_slowdown, other.profile, other.max_slowdown)
        if key not in self._conflicts:
            self._conflicts[key] = self._conflict(one, other)
        return self._conflicts[key]

    def _conflict(self, one: Claim, other: Claim) -> bool:
        after, before = self.gain(one, [other])
        return after < WORTHWHILE * before or self.too_slow([one, other]) is not None

    def end_s(
        self,
        claim: Claim,
        partners: Sequence[Claim] | None,
        since: float,
        at: float,
        done_s: float | None = None,
    ) -> float:
        """When a job that began at `since` will end; infinite when nobody knows its run time.

        partners: on its card; None for a job on the CPU. done_s: of its work, in seconds alone; by
        default these were beside it all the time, and one that runs longer than expected is given a
        tenth of its age more.
        """
        runtime_s = known_s(claim, on_cpu=partners is None)
        if runtime_s is None:
            return math.inf
        slowdown = self.slowdown(claim, partners or ())
        if done_s is not None:
            return at + left_s(runtime_s, done_s) * slowdown
        expected = since + runtime_s * slowdown
        return expected if expected > at else at + 0.1 * (at - since)


def known_s(claim: Claim, *, on_cpu: bool) -> float | None:
    """Its run time alone, in seconds; None where nobody knows it."""
    return claim.cpu_runtime_s if on_cpu and claim.uses_gpu else claim.runtime_s


def _without_one(there: Mapping[str, int], profile: str) -> Mapping[str, int]:
    """Who is beside one of this profile: all others, and those of the same but itself."""
    return {**there, profile: there[profile] - 1}
