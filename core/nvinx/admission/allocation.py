"""A job that holds part of the bench, and whether its end is in sight. Pure.

Where sharing gets less done, a newcomer waits until those on the card end. Some never do, as
servers, and what was learned would keep it from the card for ever.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.estimates import Estimates
    from nvinx.admission.job import Job, Placement

_OVER = 3.0  # times its expected run time
_LONG_S = 600.0  # where nobody knows its run time


class Allocation(Struct):
    """A job that holds part of the bench, until about `end_s` (infinite: nobody knows).

    done_s: of its work, in seconds alone; None where nobody knows.
    """

    job: Job
    placement: Placement
    end_s: float
    since: float
    done_s: float | None = None


def are_open_ended(there: Sequence[Allocation], at: float, estimates: Estimates) -> bool:
    """Whether none of these on one card will end within a time that anybody can tell.

    One that runs for much longer than expected, or whose run time nobody knows and that has run for
    long. One that asked for a range of VRAM makes room for others, so it need not run for long
    first. at: in seconds, by the clock of the allocations.
    """
    return bool(there) and all(_is_open_ended(one, there, at, estimates) for one in there)


def _is_open_ended(
    one: Allocation, there: Sequence[Allocation], at: float, estimates: Estimates
) -> bool:
    claim, age_s = one.job.claim, at - one.since
    partners = [other.job.claim for other in there if other is not one]
    length_s = estimates.end_s(claim, partners, 0.0, 0.0)
    if isinf(length_s):
        return bool(claim.elastic_mib) or age_s > _LONG_S
    return age_s > _OVER * length_s
