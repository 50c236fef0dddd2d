"""Running jobs that are off their cards, or on the way: each is moved on a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nvinx.leases.suspended_job import Moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.events import Reclaim
    from nvinx.leases.suspended_job import SuspendedJob


class SuspendedJobs:
    """Thread-safe. It tells of each job that was moved; what follows from that is for others."""

    def __init__(self, told: Callable[[str, Moved, int | None], None]) -> None:
        """told: on the job's thread: its id, what became of it, and the MiB it was seen to use."""
        self._told = told
        self._jobs: dict[str, SuspendedJob] = {}
        self._on_card: set[str] = set()

    def leave(self, asked: Reclaim, job: SuspendedJob) -> None:
        """Have a job leave its card."""
        self._jobs[asked.job_id] = job
        self._on_card.discard(asked.job_id)
        self._begin(asked.job_id, job, lambda: job.leave(asked))

    def come_back(self, job_id: str) -> None:
        """Have a job go on that has room on its card again; nothing where it has ended."""
        if (job := self._jobs.get(job_id)) is not None:
            self._begin(job_id, job, job.come_back)

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        if (job := self._jobs.pop(job_id, None)) is not None:
            job.is_over.set()

    def stranded(self) -> list[str]:
        """The ids of those that go on only if somebody brings them back."""
        return list(self._jobs.keys() - self._on_card)

    def _begin(self, job_id: str, job: SuspendedJob, move: Callable[[], Moved]) -> None:
        def run() -> None:
            moved = move()
            if moved in (Moved.BACK, Moved.STAYED):
                self._on_card.add(job_id)
            self._told(job_id, moved, job.used_mib)

        threading.Thread(target=run, name="nvinx-suspended", daemon=True).start()
