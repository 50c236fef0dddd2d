"""A command that agreed to give its card back, ended as soon as somebody asks for it.

One that agreed to use less of it only has its user told.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from nvinx.admission import explain
from nvinx.admission.reclaim import Reclaim
from nvinx.errors import NvinxError
from nvinx.leases.giving_back import GivingBack

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.job import Job
    from nvinx.leases.broker import Broker


class Watch:
    """Looks at the ledger on a thread of its own for as long as the block runs.

    Nobody else may use the broker meanwhile. was_preempted: known after the block.
    """

    def __init__(self, broker: Broker, job: Job, say: Callable[[str], None]) -> None:
        self._broker, self._job, self._say = broker, job, say
        self._giving_back: GivingBack | None = None
        self._told = 0
        self.was_preempted = False
        self._is_over = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._look, name="nvinx-watch", daemon=True)

    def __enter__(self) -> Watch:
        if self._broker.is_watching:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._wake)
        if self._giving_back is not None:
            self.was_preempted = self._giving_back.was_in_time()

    def _look(self) -> None:
        with suppress(NvinxError):  # told when the lease is given back
            while not self._is_over.is_set() and self._giving_back is None:
                self._broker.await_change(self._broker.look_again_s, self._wake)
                for asked in () if self._is_over.is_set() else self._broker.poll():
                    if isinstance(asked, Reclaim):
                        self._begin(asked)
                self._tell_budget()

    def _tell_budget(self) -> None:
        held = self._broker.elastic(self._job.id)
        budget = None if held is None else held.budget
        if held is not None and budget is not None and budget.number != self._told:
            self._told = budget.number
            self._say(f"nvinx: {self._job.name} {explain.budget(self._job, held)}")

    def _begin(self, asked: Reclaim) -> None:
        agreed = self._job.claim.preemptible
        if agreed is not None:
            self._say(explain.gives_back(self._job, asked))
            self._giving_back = GivingBack(asked.job_id, agreed)
