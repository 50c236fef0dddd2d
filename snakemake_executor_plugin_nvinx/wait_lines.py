"""Why nothing starts: a quiet line now and then while jobs wait for a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snakemake_executor_plugin_nvinx import messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nvinx.bench.capacity import Card
    from nvinx.reasons import Reason

FIRST_AFTER_S = 10.0
_LONGER = 2.0


class WaitLines:
    """Speaks for the job that waits longest: after some seconds, then when its reason changes.

    Each silence is twice as long as the one before, until nobody waits any more.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._said, self._next, self._silence_s = "", 0.0, FIRST_AFTER_S

    def news(self, reasons: Mapping[str, Reason], cards: Sequence[Card], now: float) -> str | None:
        """The line to log, if one is due. reasons: by id, why jobs wait; now: in seconds."""
        self._since = {job_id: self._since.get(job_id, now) for job_id in reasons}
        if not reasons:
            self._forget()
            return None
        first = min(self._since, key=self._since.__getitem__)
        due = max(self._since[first] + FIRST_AFTER_S, self._next)
        if now < due:
            return None
        line = messages.waits(reasons[first], len(reasons) - 1, cards)
        if line == self._said:
            return None
        self._said, self._next = line, now + self._silence_s
        self._silence_s *= _LONGER
        return line

    def _forget(self) -> None:
        self._said, self._next, self._silence_s = "", 0.0, FIRST_AFTER_S
