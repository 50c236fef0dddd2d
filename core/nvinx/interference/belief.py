"""What is believed of who slows whom, and how surely: the posterior of the joint fit. Pure.

Plain data, without numpy, so that a start reads it in a moment. `joint_fit` makes it.
"""

from __future__ import annotations

import math

# msgspec looks these up when it reads a belief.
from collections.abc import Mapping  # noqa: TC003
from typing import TYPE_CHECKING

from msgspec import Struct, field

from nvinx.interference.p_norm import EXPONENT, combined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.interference.company import Company

_Z90 = 1.6448536269514722  # half a 90 % interval, in standard deviations
_TOLD_SD = 0.4  # of ln slowdown, up to which a figure is told


class Pair(Struct, frozen=True):
    """One profile beside one other; in natural logarithms of the excess slowdown.

    drawn: one draw from the posterior; milder where little was seen, and nothing where hardly
    anything was. together_s: seconds for which runs show them so. measured: the slowdown that a
    calibration found. contradicted: runs speak against that.
    """

    mean: float
    sd: float
    drawn: float
    together_s: float = 0.0
    measured: float | None = None
    contradicted: bool = False

    @property
    def excess(self) -> float:
        return math.exp(self.mean)

    @property
    def sd_of_slowdown(self) -> float:
        """Of ln slowdown, upwards: where the excess looks small, it may be ever so much smaller
        and hardly change the slowdown, and be larger and change it much.
        """
        return math.log1p(math.exp(self.mean + self.sd)) - math.log1p(self.excess)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the slowdown: 90 % lie inside."""
        reach = _Z90 * self.sd
        return 1 + math.exp(self.mean - reach), 1 + math.exp(self.mean + reach)

    @property
    def can_be_told(self) -> bool:
        """Whether enough is known that a figure misleads nobody."""
        return self.sd_of_slowdown <= _TOLD_SD


# Of ln time alone: it is known well enough then, and need not be measured.
KNOWN_SD = 0.3


class Solo(Struct, frozen=True):
    """How long a kind of job takes alone: ln seconds at the size `exp(at)`, and its growth."""

    log_s: float
    sd: float
    growth: float = 0.0
    at: float = 0.0

    @property
    def is_known(self) -> bool:
        return self.sd < KNOWN_SD

    def seconds(self, size: float | None = None) -> float:
        grown = 0.0 if size is None else self.growth * (math.log(size) - self.at)
        return math.exp(self.log_s + grown)


class Group(Struct, frozen=True):
    """What a calibration measured of one profile beside several others, in order of their names."""

    of: str
    beside: tuple[str, ...]
    slowdown: float


class Belief(Struct, frozen=True):
    """level: ln of the excess of an average pair. suffers, hurts: by profile, around it.

    pairs: by who suffers and beside whom, for all profiles that were seen. solo: by kind. noise:
    the relative error of one run's time. runs: that it rests on. exponent: of `p_norm`. groups:
    measured by a calibration, and not contradicted. strangers: profiles of which too few runs were
    seen.
    """

    level: float
    suffers: Mapping[str, float]
    hurts: Mapping[str, float]
    pairs: Mapping[str, Mapping[str, Pair]]
    solo: Mapping[str, Solo] = field(default_factory=dict)
    noise: float = 0.0
    runs: int = 0
    exponent: float = EXPONENT
    groups: tuple[Group, ...] = ()
    strangers: tuple[str, ...] = ()

    def is_stranger(self, profile: str) -> bool:
        """Whether hardly anything was seen of it."""
        return profile not in self.pairs or profile in self.strangers

    def pair(self, profile: str, partner: str) -> Pair | None:
        """None where one of the two was never seen."""
        return self.pairs.get(profile, {}).get(partner)

    def can_be_told(self, profile: str, partner: str) -> bool:
        pair = self.pair(profile, partner)
        return pair is not None and pair.can_be_told

    def excess(self, profile: str, partner: str, *, drawn: bool = False) -> float:
        """How much longer a run takes beside this partner, as a share.

        Strangers are average; drawn, they cost nothing, as where nothing is known at all.
        """
        pair = self.pair(profile, partner)
        if pair is not None:
            return math.exp(pair.drawn if drawn else pair.mean)
        if drawn:
            return 0.0
        known = self.suffers.get(profile, 0.0) + self.hurts.get(partner, 0.0)
        return math.exp(self.level + known)

    def slowdown(self, profile: str, partners: Mapping[str, int], *, drawn: bool = False) -> float:
        """Time beside so many of each partner over time alone. drawn: by the posterior's draw."""
        names = [name for name, number in partners.items() for _ in range(number)]
        measured = self._measured(profile, tuple(sorted(names))) if self.groups else None
        if measured is not None:
            return measured
        excesses = [self.excess(profile, name, drawn=drawn) for name in names]
        return combined(excesses, self.exponent)

    def _measured(self, profile: str, names: tuple[str, ...]) -> float | None:
        """What was measured of just this company."""
        same = (each for each in self.groups if (each.of, each.beside) == (profile, names))
        return next((max(each.slowdown, 1.0) for each in same), None)

    def pace(self, profile: str, company: Iterable[Company], ran_s: float) -> float:
        """The share of a run's time that it would have taken alone."""
        beside = [(each.seconds / ran_s, each.partners) for each in company]
        alone = max(1.0 - sum(share for share, _ in beside), 0.0)
        return alone + sum(share / self.slowdown(profile, partners) for share, partners in beside)
