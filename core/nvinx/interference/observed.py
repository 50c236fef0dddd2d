"""One run on a card as the fit sees it. Pure."""

from __future__ import annotations

from msgspec import Struct

from nvinx.interference.company import Company  # noqa: TC001


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
