"""How a job ended, told from its exit status and what it wrote. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL_BYTES = 65_536  # an error stands at the end


def outcome_of(status: int, *texts: str, own: Sequence[str] = ()) -> Outcome:
    """How a job ended. status: its exit status, negative or above 128 for a signal.

    texts: the ends of what it wrote. own: see `out_of_memory.evidence`. A job that recovered from a
    failed allocation and ended with 0 is a success; one that lacked the machine's own memory failed
    like any other, as more VRAM is no help to it.
    """
    if status == 0:
        return Outcome.OK
    from nvinx.jobs.out_of_memory import evidence

    found = evidence(texts, status, own)
    return Outcome.OUT_OF_MEMORY if found is not None and found.is_vram else Outcome.FAILED


class Outcome(Enum):
    """How a job ended."""

    OK = "ok"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"
