"""What one run did: each job with its wait, its placement and why, for people and for JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvinx import explain
from nvinx.errors import RecordError
from nvinx.rows import plain_placement, plain_reason, reason_from

if TYPE_CHECKING:
    from nvinx.admission import Job, Placement
    from nvinx.ports import Clock
    from nvinx.reasons import Reason


PATH = Path(".nvinx") / "last-run.json"


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

    @property
    def waited_s(self) -> float | None:
        return None if self.started_s is None else self.started_s - self.submitted_s

    @property
    def ran_s(self) -> float | None:
        if self.started_s is None or self.ended_s is None:
            return None
        return self.ended_s - self.started_s


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

    def started(self, job: Job, placement: Placement, where: str) -> None:
        entry = self._jobs[job.id]
        entry.started_s, entry.where = self._now(), where
        entry.placement = plain_placement(placement)
        reason = reason_from(entry.waited_for)
        entry.why = explain.start_reason(placement, entry.waited_s or 0.0, reason)

    def ended(self, job_id: str, *, ok: bool) -> None:
        self._jobs[job_id].ended_s, self._jobs[job_id].ok = self._now(), ok

    def write(self, path: Path) -> None:
        """Write all jobs as JSON; a folder that cannot be written is not worth failing a run."""
        body = {"schema": 1, "jobs": [asdict(job) for job in self._jobs.values()]}
        try:
            path.parent.mkdir(exist_ok=True)
            (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        except OSError:
            return

    def _now(self) -> float:
        now = self._clock()
        if self._zero is None:
            self._zero = now
        return round(now - self._zero, 3)


def read(path: Path) -> list[Ran]:
    """The jobs of a recorded run; empty where none is recorded.

    Raises RecordError when the file is no record of ours.
    """
    if not path.exists():
        return []
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return [Ran(**job) for job in body["jobs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(str(path)) from error
