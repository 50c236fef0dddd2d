"""One job on its way off its card and back, and what is told of that."""

from __future__ import annotations

import threading
from enum import Enum
from typing import TYPE_CHECKING

from nvinx.admission import suspending_words
from nvinx.errors import StuckError, SuspendError
from nvinx.leases import processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job
    from nvinx.leases.suspendable import Suspendable
    from nvinx.leases.suspender import Suspender

_POLL_S = 0.05


class Moved(Enum):
    """What became of a job that was to be moved.

    STAYED: it runs on, and keeps its card. STUCK: it can only begin anew. ENDED: it had ended.
    """

    OFF_CARD = "off card"
    BACK = "back"
    STAYED = "stayed"
    STUCK = "stuck"
    ENDED = "ended"


class SuspendedJob:
    """Moves one job. used_mib: what it was seen to use of its card when it left."""

    def __init__(
        self,
        job: Job,
        suspender: Suspender,
        suspendable: Suspendable,
        say: Callable[[str], None],
    ) -> None:
        self._job, self._suspender, self._suspendable = job, suspender, suspendable
        self._say = say
        self.used_mib: int | None = None
        self.is_over = threading.Event()

    def leave(self, asked: Reclaim) -> Moved:
        """Have it leave its card; waits until it has. is_over: set where it ends meanwhile."""
        failed = self._suspendable.failed(self._job.claim.kind)
        if failed is not None:  # since this job began
            self._say(suspending_words.is_of_a_kind_that_failed(self._job, failed))
            return Moved.STAYED
        while not processes.are_there([self._job.id]):  # it may be about to start
            if self.is_over.wait(_POLL_S):
                return Moved.ENDED
        try:
            self.used_mib = self._suspender.suspend(self._job.id)
        except SuspendError as error:
            return self._failed(error)
        self._say(suspending_words.is_off_card(self._job, asked))
        return Moved.OFF_CARD

    def come_back(self) -> Moved:
        """Have it go on, as it has room on its card again; waits until it does."""
        try:
            self._suspender.bring_back(self._job.id)
        except SuspendError as error:
            return self._failed(error)
        self._say(suspending_words.is_back(self._job))
        return Moved.BACK

    def _failed(self, error: SuspendError) -> Moved:
        """No job of its kind is suspended again, unless this one had ended."""
        if not processes.are_there([self._job.id]):
            return Moved.ENDED
        self._suspendable.remember(self._job.claim.kind, error.problem)
        is_stuck = isinstance(error, StuckError)
        self._say(suspending_words.failed(self._job, error, is_stuck=is_stuck))
        return Moved.STUCK if is_stuck else Moved.STAYED
