"""A command that agreed to give its card back, ended or suspended as soon as somebody asks.

One that agreed to use less of it only has its user told.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from nvinx.admission import explain
from nvinx.admission.events import Reclaim, Start
from nvinx.errors import NvinxError
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.leases import processes
from nvinx.leases.giving_back import GivingBack
from nvinx.leases.suspended_job import Moved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.admission.events import Decision
    from nvinx.admission.job import Job
    from nvinx.leases.broker import Broker
    from nvinx.leases.suspended_job import SuspendedJob


class Watch:
    """Looks at the ledger on a thread of its own for as long as the block runs.

    Nobody else may use the broker meanwhile. was_preempted: known after the block.
    """

    def __init__(
        self, broker: Broker, job: Job, suspended: SuspendedJob, say: Callable[[str], None]
    ) -> None:
        """suspended: moves the job off its card and back, if it agreed to that."""
        self._broker, self._job, self._say = broker, job, say
        self._suspended, self._is_off_card, self._was_told = suspended, False, False
        self._giving_back: GivingBack | None = None
        self._told = 0
        self.was_preempted = False
        self._is_over = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._look, name="nvinx-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def tell(self) -> None:
        """The command was passed a signal to end, of which one that is suspended cannot hear."""
        self._was_told = True
        os.eventfd_write(self._wake, 1)

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._suspended.is_over.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._wake)
        if self._giving_back is not None:
            self.was_preempted = self._giving_back.was_in_time()

    def _look(self) -> None:
        while not self._is_over.is_set() and self._giving_back is None:
            self._broker.await_change(self._broker.look_again_s, self._wake)
            try:
                self._turn()
            except NvinxError:  # told when the lease is given back
                if not self._is_off_card:
                    return

    def _turn(self) -> None:
        if self._is_off_card and self._was_told:
            processes.end([self._job.id])
        elif not self._is_over.is_set():
            self._act(self._broker.poll())
            self._tell_budget()

    def _tell_budget(self) -> None:
        held = self._broker.elastic(self._job.id)
        budget = None if held is None else held.budget
        if held is not None and budget is not None and budget.number != self._told:
            self._told = budget.number
            self._say(f"nvinx: {self._job.name} {explain.budget(self._job, held)}")

    def _act(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Reclaim):
                self._begin(decision)
            elif isinstance(decision, Start):
                self._is_off_card = False
                self._take_note(self._suspended.come_back())

    def _begin(self, asked: Reclaim) -> None:
        agreed = self._job.claim.preemptible
        if agreed is None:
            return
        self._say(explain.gives_back(self._job, asked))
        if agreed.suspends:
            self._take_note(self._suspended.leave(asked))
        else:
            self._giving_back = GivingBack(asked.job_id, agreed)

    def _take_note(self, moved: Moved) -> None:
        match moved:
            case Moved.OFF_CARD:
                self._give_card_back()
            case Moved.BACK:
                self._act(self._broker.came_back(self._job.id))
            case Moved.STAYED:
                self._act(self._broker.stayed(self._job.id))
            case Moved.STUCK:
                self._giving_back = GivingBack(self._job.id, Preemptible(Mode.REQUEUE))
            case Moved.ENDED:
                pass

    def _give_card_back(self) -> None:
        """Its card is free; where that cannot be written down it goes on, as it has its room."""
        try:
            decisions = self._broker.suspended(self._job.id, self._suspended.used_mib)
        except NvinxError:
            self._suspended.come_back()
            raise
        self._is_off_card = True
        self._act(decisions)
