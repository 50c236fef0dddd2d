"""Whom it is worth to keep a place for: jobs whose needs have ended, and that are not queued. Pure.

An engine takes a moment to hand such a job over, and in this moment others would take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AWAITED_S = 2.0  # who has not come by then is held back by the engine, nobody knows for how long
SHARE = 0.1  # of its own run time: a place for a short job is not kept for longer
_LATE = 4  # as many in time make up for one who was late


class Awaited:
    """Remembers by when each has to come, and how many came in time."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._hoped_for: set[str] = set()
        self._in_time = self._late = 0

    def observe(self, could_come: Mapping[str, float], at: float) -> None:
        """These could come at time `at` (seconds), by job id, and run for so many seconds; all
        others came, or have to wait.
        """
        gone = self._until_s.keys() - could_come
        self._in_time += len(gone & self._hoped_for)
        self._until_s = {
            job_id: self._until_s.get(job_id, at + min(AWAITED_S, SHARE * length_s))
            for job_id, length_s in could_come.items()
        }
        late = {job_id for job_id in self._hoped_for - gone if at > self._until_s[job_id]}
        self._late += len(late)
        self._hoped_for -= gone | late

    def worth_it(self, job_ids: Iterable[str], at: float) -> frozenset[str]:
        """Of these who could come, those who have not been late so far; nobody where many were."""
        if _LATE * self._late > self._in_time + _LATE:
            return frozenset()
        found = frozenset(job_id for job_id in job_ids if at <= self._until_s[job_id])
        self._hoped_for |= found
        return found

    def until_s(self, job_ids: Iterable[str]) -> float:
        """The time by which the first of these is late."""
        return min(self._until_s[job_id] for job_id in job_ids)
