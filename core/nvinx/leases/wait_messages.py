"""Why a job waits, told each time that the reason becomes another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.reasons import Reason


class WaitTold:
    """Called again and again with the reason for a wait. say: takes a line, begun with `before`."""

    def __init__(self, say: Callable[[str], None], before: str) -> None:
        self._say, self._before = say, before
        self._said = ""

    def __call__(self, reason: Reason | None) -> None:
        text = explain.sentence(reason) if reason else self._said
        if text != self._said:
            self._say(f"{self._before}{text}")
            self._said = text
