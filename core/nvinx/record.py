"""What one run did: each job with its wait, its placement and why, for people and for JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nvinx import explain
from nvinx.rows import plain_placement, plain_reason

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.admission import Job, Placement
    from nvinx.ports import Clock
    from nvinx.reasons import Reason


@dataclass(slots=True)
class Ran:
    """One job of a run. Times are seconds since the first job was handed over."""

    name: str
    submitted_s: float
    started_s: float | None = None
    ended_s: float | None = None
    placement: dict[str, Any] | None = None
    where: str = ""
    why: str = ""
    waited_for: dict[str, Any] | None = None
    ok: bool | None = None


class RunRecord:
    """Collects what happens, in the order in which jobs were handed over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: float | None = None
        self._jobs: dict[str, Ran] = {}

    def submitted(self, job: Job) -> None:
        self._jobs[job.id] = Ran(job.name, self._now())

    def waited(self, job_id: str, reason: Reason) -> None:
        """The last reason before the start is the one that is kept."""
        self._jobs[job_id].waited_for = plain_reason(reason)
        self._jobs[job_id].why = explain.sentence(reason)

    def started(self, job: Job, placement: Placement, where: str) -> None:
        entry = self._jobs[job.id]
        entry.started_s, entry.where = self._now(), where
        entry.placement = plain_placement(placement)
        placed = explain.placed(placement)
        entry.why = f"{placed}; waited: {entry.why}" if entry.why else placed

    def ended(self, job_id: str, *, ok: bool) -> None:
        self._jobs[job_id].ended_s, self._jobs[job_id].ok = self._now(), ok

    def write(self, path: Path) -> None:
        """Write all jobs as JSON; a folder that cannot be written is not worth failing a run."""
        body = {"schema": 1, "jobs": [asdict(job) for job in self._jobs.values()]}
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        except OSError:
            return

    def _now(self) -> float:
        now = self._clock()
        if self._zero is None:
            self._zero = now
        return round(now - self._zero, 3)
