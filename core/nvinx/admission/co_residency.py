"""Who shared a card with whom, and for how long: what a run needs to teach anything. Pure.

A gang was beside whoever was on any of its cards.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from nvinx.history.runs import PastRun
from nvinx.interference.company import Company

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nvinx.admission.job import Running


_ROUNDING_S = 1e-6
_MOST = 32  # companies of one run

_Partners: TypeAlias = tuple[tuple[str, int], ...]


class _Spent(Struct):
    """Seconds of one job beside each set of partners, and who was there last."""

    beside: dict[_Partners, float] = field(default_factory=dict)
    last: _Partners = ()

    def add(self, partners: _Partners, seconds: float) -> None:
        if seconds > _ROUNDING_S:
            self.last = partners
        if partners:
            self.beside[partners] = self.beside.get(partners, 0.0) + seconds

    def companies(self) -> tuple[Company, ...]:
        """Those with most time first; of very many the rest counts as time beside these."""
        beside = ((s, partners) for partners, s in self.beside.items() if s > _ROUNDING_S)
        listed = sorted(beside, key=lambda each: (each[1] == self.last, each), reverse=True)
        kept = sorted(listed[:_MOST], reverse=True)
        more = sum(s for s, _ in listed) / sum(s for s, _ in kept) if kept else 1.0
        return tuple(Company(s * more, dict(there), there == self.last) for s, there in kept)


class CoResidency:
    """Adds up, from one look to the next, the seconds that each job on a card spent beside others.

    Between two looks everybody is taken to stay who was seen at the first; who came in between
    counts from when it began.
    """

    def __init__(self) -> None:
        self._there: dict[str, Running] = {}
        self._spent: dict[str, _Spent] = {}
        self._left: dict[str, _Spent] = {}
        self._at = 0.0
        self._asleep_s: float | None = None

    def observe(self, running: Iterable[Running], at: float, asleep_s: float = 0.0) -> None:
        """These run at time `at` (seconds); jobs on the CPU share nothing.

        asleep_s: for how long the machine has slept by then, ever since the same moment; nobody ran
        meanwhile, and of the seconds since the last look as many do not count.
        """
        now = {r.job.id: r for r in running if r.placement.card is not None}
        by_card = defaultdict(list)
        gangs = []
        for one in (self._there | now).values():
            for card_id in one.placement.cards:
                by_card[card_id].append(one)
            if len(one.placement.cards) > 1:
                gangs.append(one)
        awake = self._awake(at, asleep_s)
        for members in by_card.values():
            self._pass(
                members, at, awake, [one for one in members if len(one.placement.cards) == 1]
            )
        for gang in gangs:
            self._pass(_on_any(gang.placement.cards, by_card), at, awake, [gang])
        gone = self._spent.keys() - now.keys()
        self._left = {job_id: self._spent.pop(job_id) for job_id in gone}
        self._there, self._at, self._asleep_s = now, at, asleep_s

    def _awake(self, at: float, asleep_s: float) -> float:
        """The share of the time since the last look in which the machine did not sleep."""
        passed_s = at - self._at
        if self._asleep_s is None or not passed_s > 0:
            return 1.0
        return 1.0 - min(max(asleep_s - self._asleep_s, 0.0) / passed_s, 1.0)

    def _pass(
        self, members: Sequence[Running], until: float, awake: float, told: Sequence[Running]
    ) -> None:
        """These were together since the last look, or since they came.

        awake: the share of this time that counts. told: who is to know it.
        """
        since = {one.job.id: max(self._at, one.since) for one in members}
        marks = sorted({at for at in since.values() if at < until} | {until})
        for begin, end in pairwise(marks):
            there, listening = (
                [one for one in some if since[one.job.id] <= begin] for some in (members, told)
            )
            self._together(there, (end - begin) * awake, listening)

    def _together(
        self, members: Sequence[Running], seconds: float, told: Sequence[Running]
    ) -> None:
        there = Counter(one.job.claim.profile for one in members)
        beside = {name: _without_one(there, name) for name in there}
        for one in told:
            spent = self._spent.setdefault(one.job.id, _Spent())
            spent.add(beside[one.job.claim.profile], seconds)

    def finish(
        self, ended: Running, at: float, *, card_name: str | None = None, slept_s: float = 0.0
    ) -> PastRun:
        """A job has ended: what there is to learn from it. card_name: as the driver calls it.

        slept_s: for how long the machine slept since the job began. Asked before the next look but
        one, at the latest.
        """
        job, ran_s = ended.job, max(at - ended.since - slept_s, 0.0)
        self._there.pop(job.id, None)
        spent = self._spent.pop(job.id, None) or self._left.pop(job.id, None) or _Spent()
        return PastRun(
            name=job.name,
            kind=job.claim.kind,
            profile=job.claim.profile,
            residency=ended.placement.residency,
            ran_s=ran_s,
            card=card_name,
            company=spent.companies(),
            declared_mib=None if job.claim.auto_vram else job.claim.vram_mib,
            size=job.claim.size,
        )


def _on_any(card_ids: Sequence[str], by_card: Mapping[str, Sequence[Running]]) -> Sequence[Running]:
    """Who is on any of these cards, once each."""
    return list({one.job.id: one for card_id in card_ids for one in by_card[card_id]}.values())


def _without_one(there: Counter[str], name: str) -> _Partners:
    """Who is beside one of this profile."""
    return tuple(sorted((there - Counter([name])).items()))
