"""Why something waits, said each time that the reason becomes another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nvinx.admission import explain
from nvinx.errors import GaveUpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.reasons import Reason


class WaitMessages:
    """Called again and again with the reason for a wait.

    name: what waits. say: takes a line; it begins with `before`, "nvinx: NAME waits: " by default.
    limit_s: how long to wait at most. Raises GaveUpError then.
    """

    def __init__(
        self,
        name: str,
        say: Callable[[str], None],
        before: str | None = None,
        limit_s: float | None = None,
    ) -> None:
        self._name, self._say = name, say
        self._before = f"nvinx: {name} waits: " if before is None else before
        self._end = None if limit_s is None else time.monotonic() + limit_s
        self._said = ""

    def __call__(self, reason: Reason | None) -> None:
        text = explain.waiting(reason)
        if text != self._said:
            self._say(f"{self._before}{text}")
            self._said = text
        if self._end is not None and time.monotonic() > self._end:
            raise GaveUpError(self._name, text)
