"""Who shared a card with whom, and for how long: what a run needs to teach anything. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from nvinx.history.runs import PastRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nvinx.admission.job import Running


_ROUNDING_S = 1e-6


class _Stay(NamedTuple):
    """Since which look a job is on its card, and what was added up there until then."""

    since: float
    before: dict[str, float]


class CoResidency:
    """Adds up, from one look to the next, the seconds that each job on a card spent beside others.

    Between two looks everybody is taken to stay who was seen at the first; who came in between
    counts from when it began. What is added up is how long jobs of each profile were on each card;
    a job's part of it is what was added while it was there, but for its own.
    """

    def __init__(self) -> None:
        self._there: dict[str, Running] = {}
        self._stays: dict[str, _Stay] = {}
        self._left: dict[str, _Stay] = {}
        self._at = 0.0
        self._seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def observe(self, running: Iterable[Running], at: float) -> None:
        """These run at time `at` (seconds); jobs on the CPU share nothing."""
        now = {r.job.id: r for r in running if r.placement.card is not None}
        for one in (self._there | now).values():
            seconds = at - max(self._at, one.since)
            if seconds > 0:
                self._seconds[one.placement.card or ""][one.job.claim.profile] += seconds
        gone, come = self._stays.keys() - now.keys(), now.keys() - self._stays.keys()
        self._left = {job_id: self._stays.pop(job_id) for job_id in gone}
        for job_id in come:
            before = self._seconds[now[job_id].placement.card or ""]
            self._stays[job_id] = _Stay(at, dict(before))
        self._there, self._at = now, at

    def finish(self, ended: Running, at: float, *, card_name: str | None = None) -> PastRun:
        """A job has ended: what there is to learn from it. card_name: as the driver calls it.

        Asked before the next look but one, at the latest.
        """
        job, ran_s = ended.job, at - ended.since
        self._there.pop(job.id, None)
        stay = self._stays.pop(job.id, None) or self._left.pop(job.id, None)
        spent = {} if stay is None else dict(self._beside(ended, stay))
        return PastRun(
            name=job.name,
            kind=job.claim.kind,
            profile=job.claim.profile,
            residency=ended.placement.residency,
            ran_s=ran_s,
            card=card_name,
            co_residents={profile: s / ran_s for profile, s in spent.items()} if ran_s > 0 else {},
            declared_mib=None if job.claim.auto_vram else job.claim.vram_mib,
            size=job.claim.size,
        )

    def _beside(self, ended: Running, stay: _Stay) -> Iterator[tuple[str, float]]:
        """The seconds beside each profile, while it was there."""
        own = ended.job.claim.profile
        for profile, seconds in self._seconds[ended.placement.card or ""].items():
            beside_s = seconds - stay.before.get(profile, 0.0)
            if profile == own:
                beside_s -= self._at - stay.since
            if beside_s > _ROUNDING_S:
                yield profile, beside_s
