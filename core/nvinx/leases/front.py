"""What an engine shows the others of its queue, and how it answers what they ask."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nvinx.admission import queue_order
from nvinx.leases.ports import QueuedRequest
from nvinx.leases.questions import PATIENCE_S, is_called

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.admission.events import Round
    from nvinx.admission.job import Waiting
    from nvinx.admission.waiting_queue import Queue
    from nvinx.leases.ports import EngineEntry, Transaction
    from nvinx.reasons import Reason

SHOWN = 16  # requests at most
_WORDS_S = 2.0  # how long a reason may stand in the ledger in words that are no longer right


class Front:
    """The front of one engine's queue for a card, as it stands in the ledger."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._requests: dict[str, tuple[QueuedRequest, float]] = {}
        self.is_shown = False

    @property
    def reasons(self) -> dict[str, Reason]:
        """Why these jobs wait, as of not long ago."""
        return {i: r.reason for i, (r, _) in self._requests.items() if r.reason is not None}

    def show(
        self, entries: Transaction, waiting: Queue, decided: Round, at: float, *, is_near: bool
    ) -> None:
        """Bring what stands in the ledger up to date, if anything is to be written.

        It is read again, since a ledger may be lost or spoilt. is_near: few stand before us, so
        that the others read what we show.
        """
        front = {w.job.id: w for w in islice(queue_order.front(waiting, at), SHOWN)}
        front |= {w.job.id: w for w in _asked_for(entries, waiting, at)}
        shown = {request.id: request for request in entries.shown_by(self._engine)}
        for gone in (shown.keys() | self._requests.keys()) - front.keys():
            entries.dequeue(gone)
            self._requests.pop(gone, None)
        for job_id, one in front.items():
            request = QueuedRequest(one.job, one.since, decided.reason(one.job))
            if self._is_news(request, shown.get(job_id), at, is_near=is_near):
                entries.enqueue(request)
                self._requests[job_id] = request, at

    def answer(
        self,
        entries: Transaction,
        us: EngineEntry | None,
        waiting: int,
        at: float,
        *,
        is_near: bool,
    ) -> None:
        """Say that we decided upon the ledger as it is, where others may want to know.

        us: our entry as it stands there. waiting: how many of our jobs wait for a card.
        """
        self.is_shown = waiting > 0
        if us is None or us.owes_answer or us.waiting != waiting:
            if waiting:
                entries.answer(self._engine, waiting, at)
            elif us is not None:
                entries.leave(self._engine)
        elif is_near and us.seen != entries.change():
            entries.answer(self._engine, waiting, at)

    def _is_news(
        self, request: QueuedRequest, shown: QueuedRequest | None, at: float, *, is_near: bool
    ) -> bool:
        """Whether others would read it otherwise; mere numbers and names may be a little old."""
        if shown is None or request.id not in self._requests:
            return True
        if shown == request:
            return False
        old, written_at = self._requests[request.id]
        if old != shown or old.reason is None or request.reason is None:
            return True
        is_of_same_kind = old.reason.why is request.reason.why
        return not is_of_same_kind or (is_near and at - written_at > _WORDS_S)


def _asked_for(entries: Transaction, waiting: Queue, at: float) -> Iterator[Waiting]:
    """Jobs further back that somebody wants to know of."""
    names = entries.questions(since=at - PATIENCE_S)
    if not names:
        return iter(())
    line = waiting.in_line(on_cpu=False)
    return islice((one for one in line if is_called(one.job.name, names)), SHOWN)
