"""One run on a card as the fit sees it, and which of many runs it takes. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.interference.company import Company  # noqa: TC001  (msgspec looks it up)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

OTHERS = "(others)"  # stands for all profiles that are too seldom seen to be told apart


class Observed(Struct, frozen=True):
    """A run that took `ran_s` seconds. kind: of equal work but for its size; profile: who suffers.

    company: the time that was not spent alone. size: of the input, above 0; None where unknown.
    card: its make; how long a kind takes alone on one says nothing of another.
    """

    kind: str
    profile: str
    ran_s: float
    company: tuple[Company, ...] = ()
    size: float | None = None
    card: str | None = None


def of_common(
    runs: Sequence[Observed], most: int, kept: Collection[str] = ()
) -> Sequence[Observed]:
    """The runs of the profiles that are in most of them, the newest first of equals.

    Other profiles are all `OTHERS` where they are in somebody's company. A fit grows with the third
    power of their number, and what is believed with the second, where somebody names each job
    otherwise. runs: the oldest first. most: so many profiles. kept: in any case, beside these.
    """
    always, seen, last = set(kept), Counter[str](), dict[str, int]()
    for at, run in enumerate(runs):
        there = set(_named(run)) - always
        seen.update(there)
        last.update(dict.fromkeys(there, at))
    if len(seen) <= most:
        return runs
    ranked = sorted(seen, key=lambda name: (seen[name], last[name], name))
    common = {*always, *ranked[-most:]}
    return [_among(common, run) for run in runs if run.profile in common]


def _named(run: Observed) -> Iterator[str]:
    yield run.profile
    for company in run.company:
        yield from company.partners


def _among(common: Collection[str], run: Observed) -> Observed:
    return replace(run, company=tuple(_pooled(common, company) for company in run.company))


def _pooled(common: Collection[str], company: Company) -> Company:
    partners = Counter[str]()
    for name, number in company.partners.items():
        partners[name if name in common else OTHERS] += number
    return replace(company, partners=dict(partners))
