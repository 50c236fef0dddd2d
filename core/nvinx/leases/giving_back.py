"""Ending a job that agreed to give its card back, on a thread of its own."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

from nvinx.jobs.preemption import REQUEUE_GRACE_S, Mode

if TYPE_CHECKING:
    from nvinx.jobs.preemption import Preemptible

_POLL_S = 0.05


class GivingBack:
    """Has a job save what it can and end; it begins at once."""

    def __init__(self, token: str, agreed: Preemptible) -> None:
        """token: of the job's lease."""
        self._tokens, self._agreed = [token], agreed
        self._is_over = threading.Event()
        self._was_told = False
        self._thread = threading.Thread(target=self._end, name="nvinx-giving-back", daemon=True)
        self._thread.start()

    def was_in_time(self) -> bool:
        """Whether a job that is over now was told to end, so that its end says nothing of it.

        To be asked once it is over. Waits until nothing of it is left.
        """
        self._is_over.set()
        self._thread.join()
        return self._was_told

    def _end(self) -> None:
        from nvinx.leases import processes

        while not processes.are_there(self._tokens):  # it may be about to start
            if self._is_over.wait(_POLL_S):
                return
        self._was_told = True
        if self._agreed.mode is Mode.SIGNAL:
            self._let_save()
        while processes.are_there(self._tokens):
            processes.end(self._tokens, grace_s=REQUEUE_GRACE_S)

    def _let_save(self) -> None:
        """Tell those that listen for it, and give them their time."""
        from nvinx.leases import processes

        number = signal.Signals[f"SIG{self._agreed.signal}"]
        deadline = time.monotonic() + self._agreed.grace_s
        if processes.tell(self._tokens, number):
            while processes.are_there(self._tokens) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
