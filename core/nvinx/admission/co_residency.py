"""Who shared a card with whom, and for how long: what a run needs to teach anything. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nvinx.history.runs import PastRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.admission.state import Running


class CoResidency:
    """Adds up, from one look to the next, the seconds that each job on a card spent beside others.

    Between two looks everybody is taken to stay who was seen at the first; who came in between
    counts from when it began.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Running] = {}
        self._at = 0.0
        self._seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def observe(self, running: Iterable[Running], at: float) -> None:
        """These run at time `at` (seconds); jobs on the CPU share nothing."""
        now = {r.job.id: r for r in running if r.placement.card is not None}
        for job_id, one in self._seen.items():
            for other_id, other in (self._seen | now).items():
                if other_id != job_id and other.placement.card == one.placement.card:
                    seconds = at - max(self._at, one.since, other.since)
                    if seconds > 0:
                        self._seconds[job_id][other.job.claim.profile] += seconds
        self._seen, self._at = now, at

    def finish(self, ended: Running, at: float, *, card_name: str | None = None) -> PastRun:
        """A job has ended: what there is to learn from it. card_name: as the driver calls it."""
        job, ran_s = ended.job, at - ended.since
        self._seen.pop(job.id, None)
        spent = self._seconds.pop(job.id, {})
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
