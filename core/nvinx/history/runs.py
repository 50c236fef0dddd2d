"""One job that ended, as it is remembered. Pure."""

from __future__ import annotations

# msgspec looks these up when it reads a run.
from collections.abc import Mapping  # noqa: TC003

from msgspec import Struct, field

from nvinx.catalog import Residency  # noqa: TC001
from nvinx.jobs.outcome import Outcome

_ALMOST_ALONE = 0.1  # up to this many partners on average count as none


class PastRun(Struct, frozen=True, kw_only=True):
    """One job that ended. Times in seconds, memory in MiB; None where nobody knows.

    name: the job's. kind, profile, size: see `Claim`. card: the card's name, the same for all of
    its model; None on the CPU. co_residents: how many of each profile were beside it on average.
    declared_mib: None where nobody declared anything, or the VRAM was learned.
    """

    name: str
    kind: str
    profile: str
    residency: Residency
    ran_s: float
    card: str | None = None
    co_residents: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome = Outcome.OK
    declared_mib: int | None = None
    peak_mib: int | None = None
    size: float | None = None

    @property
    def was_alone(self) -> bool:
        return sum(self.co_residents.values()) <= _ALMOST_ALONE
