"""One job that ended, as it is remembered. Pure."""

from __future__ import annotations

from msgspec import Struct

from nvinx.interference.company import Company  # noqa: TC001
from nvinx.jobs.outcome import Outcome

# msgspec looks these up when it reads a run.
from nvinx.residency import Residency  # noqa: TC001

_ALMOST_ALONE = 0.1  # up to this share of the time in company counts as none


class PastRun(Struct, frozen=True, kw_only=True):
    """One job that ended. Times in seconds, memory in MiB; None where nobody knows.

    name: the job's. kind, profile, size: see `Claim`. card: the card's name, the same for all of
    its model; None on the CPU. company: who shared the card, for how long; the rest was alone.
    declared_mib: None where nobody declared anything, or the VRAM was learned.
    """

    name: str
    kind: str
    profile: str
    residency: Residency
    ran_s: float
    card: str | None = None
    company: tuple[Company, ...] = ()
    outcome: Outcome = Outcome.OK
    declared_mib: int | None = None
    peak_mib: int | None = None
    size: float | None = None

    @property
    def was_alone(self) -> bool:
        return self.company_s <= _ALMOST_ALONE * self.ran_s

    @property
    def company_s(self) -> float:
        """For how long somebody was beside it."""
        return sum(each.seconds for each in self.company)

    @property
    def partners(self) -> frozenset[str]:
        """The profiles that were beside it at any time."""
        return frozenset(name for each in self.company for name in each.partners)
