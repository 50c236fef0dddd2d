"""Who was beside a job, and for how long. Pure."""

from __future__ import annotations

# msgspec looks these up when it reads a company.
from collections.abc import Mapping  # noqa: TC003

from msgspec import Struct


class Company(Struct, frozen=True):
    """The seconds that a job spent beside just these partners, by profile and number.

    at_end: whether it ended beside them.
    """

    seconds: float
    partners: Mapping[str, int]
    at_end: bool = False
