"""What is believed of the jobs on a bench: how long they run, and how they slow each other down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nvinx.claim import Claim
    from nvinx.interference.slowdown import SlowdownModel

_STRANGER = ""

# How much more must get done together: a smaller gain is within the error of its prediction.
WORTHWHILE = 1.03

# How far towards the upper end of its interval a slowdown is believed: of many pairs the one that
# looks best is likely to be one that was predicted too well.
_CAUTION = {"measured": 0.0, "predicted": 0.5, "unknown": 1.0}


class Outlook:
    """Beliefs about run times and slowdowns; remembers what it worked out.

    slowdowns: of this card, None when nobody calibrated. utilisation: solo, 0..1 by model, which
    decides only where there are no slowdowns.
    """

    def __init__(
        self,
        slowdowns: SlowdownModel | None = None,
        utilisation: Mapping[str, float] | None = None,
    ) -> None:
        self._slowdowns = slowdowns
        self._utilisation = utilisation or {}
        self._known: dict[tuple[str, tuple[str, ...]], float] = {}

    def slowdown(self, claim: Claim, partners: Sequence[Claim]) -> float:
        """Time beside the partners over time alone; the less is known, the more cautious."""
        if not partners or self._slowdowns is None:
            return 1.0
        names = tuple(sorted(_name(partner) for partner in partners))
        key = (_name(claim), names)
        if key not in self._known:
            said = self._slowdowns.predict(key[0], names)
            self._known[key] = said.slowdown * (said.high / said.slowdown) ** _CAUTION[said.source]
        return max(self._known[key], 1.0)

    def throughput(self, claims: Sequence[Claim]) -> float:
        """Work per time of these jobs on one card, in units of one job alone."""
        if self._slowdowns is None:
            return float(len(claims))
        return sum(
            1.0 / self.slowdown(claim, [*claims[:k], *claims[k + 1 :]])
            for k, claim in enumerate(claims)
        )

    def too_slow(self, claims: Sequence[Claim]) -> tuple[Claim, float] | None:
        """The first whose `max_slowdown` would be broken if these shared a card, and by what."""
        for k, claim in enumerate(claims):
            if claim.max_slowdown is not None:
                factor = self.slowdown(claim, [*claims[:k], *claims[k + 1 :]])
                if factor > claim.max_slowdown:
                    return claim, factor
        return None

    def gain(self, claim: Claim, residents: Sequence[Claim]) -> tuple[float, float]:
        """Throughput with the newcomer and without; joining pays when the first is larger.

        Without slowdowns, busy shares that add up to more than 1 count as no gain, and unknown
        ones as nothing.
        """
        before = self.throughput(residents)
        if self._slowdowns is not None:
            return self.throughput([*residents, claim]), before
        shares = [self._utilisation.get(_name(each), 0.0) for each in (*residents, claim)]
        return (before if sum(shares) > 1.0 else before + 1.0), before

    def end_s(self, claim: Claim, partners: Sequence[Claim], since: float, at: float) -> float:
        """When a job that began at `since` will end; infinite when nobody knows its run time.

        One that runs longer than expected is given a tenth of its age more.
        """
        if claim.runtime_s is None:
            return math.inf
        expected = since + claim.runtime_s * self.slowdown(claim, partners)
        return expected if expected > at else at + 0.1 * (at - since)


def _name(claim: Claim) -> str:
    return claim.model or _STRANGER
