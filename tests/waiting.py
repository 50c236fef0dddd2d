"""How long tests wait: long enough for any machine, for a limit is there against hanging alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

GIVE_UP_S = 600  # whatever a test lets sleep until it is killed sleeps for longer

Answer = TypeVar("Answer")


def eventually(
    question: Callable[[], Answer], limit_s: float = GIVE_UP_S, pause_s: float = 0.05
) -> Answer:
    """The answer as soon as it is a yes, or the last one when it was not within the limit."""
    end = time.monotonic() + limit_s
    while not (answer := question()) and time.monotonic() < end:
        time.sleep(pause_s)
    return answer
