"""Whom it is worth to keep a place for: jobs whose needs have ended, and that are not queued. Pure.

An engine takes a moment to hand such a job over, and in this moment others would take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

AWAITED_S = 2.0  # who has not come by then is held back by the engine, nobody knows for how long
_LATE = 4  # as many in time make up for one who was late


class Awaited:
    """Remembers since when each could come, and how many came in time."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._hoped_for: set[str] = set()
        self._in_time = self._late = 0

    def observe(self, could_come: Collection[str], at: float) -> None:
        """These could come at time `at` (seconds), by job id; all others came, or have to wait."""
        gone = self._since.keys() - could_come
        self._in_time += len(gone & self._hoped_for)
        self._since = {job_id: self._since.get(job_id, at) for job_id in could_come}
        late = {job_id for job_id in self._hoped_for - gone if self._is_late(job_id, at)}
        self._late += len(late)
        self._hoped_for -= gone | late

    def worth_it(self, job_ids: Iterable[str], at: float) -> frozenset[str]:
        """Of these who could come, those who have not been late so far; nobody where many were."""
        if _LATE * self._late > self._in_time + _LATE:
            return frozenset()
        found = frozenset(job_id for job_id in job_ids if not self._is_late(job_id, at))
        self._hoped_for |= found
        return found

    def until_s(self, job_ids: Iterable[str]) -> float:
        """The time by which the first of these is late."""
        return min(self._since[job_id] for job_id in job_ids) + AWAITED_S

    def _is_late(self, job_id: str, at: float) -> bool:
        return at > self._since[job_id] + AWAITED_S
