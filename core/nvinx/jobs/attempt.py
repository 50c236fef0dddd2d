"""What a try of a job is told of the tries before it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.jobs.outcome import Outcome
    from nvinx.jobs.preemption import Preempted

NUMBER, LAST_FAILURE = "NVINX_ATTEMPT", "NVINX_LAST_FAILURE"
PREEMPTED = "NVINX_PREEMPTED"


def variables(number: int, last_failure: Outcome | None = None) -> dict[str, str]:
    """The environment of a try. number: 1 for the first. last_failure: how the one before ended."""
    return {
        NUMBER: str(number),
        LAST_FAILURE: "" if last_failure is None else last_failure.value,
    }


def preempted(before: Preempted | None) -> dict[str, str]:
    """The environment of a job that may have given its card back before: how often."""
    return {PREEMPTED: str(0 if before is None else before.times)}
