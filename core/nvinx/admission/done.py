"""How much of its work each of those who run has done, and what is left then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST_S = 1e-3
_ROUNDING = 1e-6  # of its work: one that is this late is about to end
_LATE = 0.5  # of its work is given to one that runs longer than expected


class Done(Struct, frozen=True):
    """By job id: seconds of work, alone, that were done at time `at`, and the pace from then on."""

    at: float = 0.0
    seconds: Mapping[str, float] = {}
    paces: Mapping[str, float] = {}

    def by(self, job_id: str, at: float) -> float | None:
        """Until time `at`; None where nobody knows."""
        if job_id not in self.seconds:
            return None
        return self.seconds[job_id] + (at - self.at) * self.paces[job_id]


def left_s(work_s: float, done_s: float) -> float:
    """Of so much work, in seconds alone, when so much is done."""
    return max(_LATE * done_s if is_late(work_s, done_s) else work_s - done_s, _LEAST_S)


def is_late(work_s: float, done_s: float) -> bool:
    """Whether more is done than so much work."""
    return done_s > (1.0 + _ROUNDING) * work_s
