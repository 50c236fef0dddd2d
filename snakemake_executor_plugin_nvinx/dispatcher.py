"""The one thread that talks to the broker: everything else only leaves it a message."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from nvinx.admission.events import Reclaim, Refuse, Start
from nvinx.errors import NvinxError
from nvinx.jobs.outcome import Outcome
from nvinx.leases.suspended_job import Moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nvinx.admission.events import Decision
    from nvinx.admission.job import Job, Placement
    from nvinx.bench.capacity import Card
    from nvinx.history.runs import PastRun
    from nvinx.leases.broker import Broker
    from nvinx.reasons import Reason

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Ready:
    """Jobs that the workflow engine handed over, each with what the engine knows it by."""

    jobs: tuple[tuple[Job, Any], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """made_way: known once the end is taken note of: whether others start in the job's place."""

    job_id: str
    outcome: Outcome = Outcome.OK
    peak_mib: int | None = None
    made_way: Future[bool] = field(default_factory=Future, compare=False)


@dataclass(frozen=True, slots=True)
class WasMoved:
    """A job that is suspended has left its card, could not, or is back on it.

    used_mib: what it was seen to use of it.
    """

    job_id: str
    moved: Moved
    used_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    pass


Message: TypeAlias = Ready | Ended | WasMoved | Stop


class Engine(Protocol):
    """What the dispatcher asks of the executor; called from the dispatcher's thread."""

    def start(self, job: Job, handle: Any, placement: Placement) -> None: ...

    def waiting(self, reasons: dict[str, Reason]) -> None:
        """Why those jobs wait that could use a card; called after every decision."""
        ...

    def next_up(self, line: Iterable[tuple[Job, Any]]) -> None:
        """Who waits and could use a card, in the line's order; called after every decision."""
        ...

    def refuse(self, handle: Any, reason: Reason) -> None:
        """A job can never run on this bench."""
        ...

    def reclaim(self, asked: Reclaim) -> None:
        """A running job is to give its card back."""
        ...

    def resume(self, job_id: str) -> None:
        """A job that was suspended has room on its card again."""
        ...

    def end_suspended(self) -> None:
        """Nobody will give those room again that are off their cards."""
        ...

    def hand_back(self, handles: Sequence[Any]) -> None: ...

    def cards(self) -> Sequence[Card]:
        """The cards there are now; asked while a job waits for one."""
        ...

    def learn(self, ended: Sequence[PastRun]) -> None:
        """How jobs ran that ended."""
        ...

    def learned(self, job: Job, handle: Any) -> Job:
        """A waiting job with what runs have taught of its VRAM since it was handed over."""
        ...

    def is_stopping(self) -> bool: ...

    def end_running(self) -> None:
        """Called while stopping: end what runs if the user asked for that."""
        ...

    def fail(self, error: Exception) -> None:
        """The dispatcher cannot go on."""
        ...


class Dispatcher:
    """Feeds the broker with messages and starts what it admits, until stopped."""

    def __init__(self, broker: Broker, engine: Engine) -> None:
        self._broker = broker
        self._engine = engine
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._handles: dict[str, Any] = {}
        self._jobs: dict[str, Job] = {}
        self._stopped = False
        self._is_notified, self._looked_at = False, 0.0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="nvinx-dispatcher", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        self._inbox.put(message)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """End the thread and wait for it; the broker is closed by then."""
        self.send(Stop())
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:  # whatever it is, Snakemake must not wait for ever
            self._engine.fail(error)
            self._outlast()
        with contextlib.suppress(NvinxError):
            self._broker.close()

    def _outlast(self) -> None:
        """After a failure: keep the leases of what still runs, and end it on SIGTERM."""
        self._engine.next_up(())
        for job_id in self._handles:  # these never ran
            self._broker.release(job_id)
        self._engine.end_suspended()
        while not self._stopped:
            message = None
            with contextlib.suppress(queue.Empty):
                message = self._inbox.get(timeout=POLL_S)
            self._stopped = isinstance(message, Stop)
            if isinstance(message, Ended):
                self._broker.release(message.job_id)
                message.made_way.set_result(False)
            elif isinstance(message, WasMoved):
                self._engine.end_suspended()
            self._engine.end_running()

    def _turn(self) -> bool:
        """Handle one message, or the lack of one; False ends the thread."""
        message = self._next()
        self._stopped = isinstance(message, Stop)
        if self._engine.is_stopping():
            self._wind_down(message)
            self._engine.end_running()
        elif message is None:
            self._look()
        elif isinstance(message, Ready):
            self._accept(message)
        elif isinstance(message, WasMoved):
            self._take_note(message)
        elif isinstance(message, Ended):
            decisions = self._broker.finish(message.job_id, message.outcome, message.peak_mib)
            self._act(decisions)
            message.made_way.set_result(any(isinstance(one, Start) for one in decisions))
            self._engine.learn(self._broker.ended())
            self._renew()
        return not self._stopped

    def _take_note(self, message: WasMoved) -> None:
        """Of a job that was moved, unless it ended meanwhile."""
        job_id = message.job_id
        if job_id not in self._broker.state.running:
            return
        match message.moved:
            case Moved.OFF_CARD:
                self._act(self._broker.suspended(job_id, message.used_mib))
            case Moved.BACK:
                self._act(self._broker.came_back(job_id))
            case Moved.STAYED:
                self._act(self._broker.stayed(job_id))
            case Moved.STUCK | Moved.ENDED:
                pass  # its end is told

    def _renew(self) -> None:
        """Queue those jobs anew of which it is now known what they need; each keeps its age."""
        waiting = [(j, self._handles[i]) for i, j in self._jobs.items() if j.claim.auto_vram]
        news = [(self._engine.learned(job, handle), handle) for job, handle in waiting]
        changed = tuple((job, handle) for job, handle in news if job != self._jobs[job.id])
        if changed:
            queue = self._broker.state.waiting
            since = {job.id: queue[job.id].since for job, _ in changed}
            self._act(self._broker.withdraw(since))
            self._accept(Ready(changed), since)

    def _next(self) -> Message | None:
        """The next message; None when there is none for a while, or it is time to look again."""
        if self._broker.is_watching and self._inbox.empty():
            self._is_notified |= self._broker.await_change(POLL_S, self._wake)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        with contextlib.suppress(queue.Empty):
            if self._broker.is_watching:
                return self._inbox.get_nowait()
            return self._inbox.get(timeout=POLL_S)
        return None

    def _look(self) -> None:
        """Look at the ledger again where another engine says so, or after a while."""
        now = time.monotonic()
        if not self._broker.is_watching or not (
            self._is_notified or now - self._looked_at >= self._broker.look_again_s
        ):
            return
        self._is_notified, self._looked_at = False, now
        self._broker.add_cards(self._engine.cards())
        self._act(self._broker.poll())

    def _accept(self, ready: Ready, since: Mapping[str, float] | None = None) -> None:
        for job, handle in ready.jobs:
            self._handles[job.id] = handle
            self._jobs[job.id] = job
        self._act(self._broker.submit((job for job, _ in ready.jobs), since))

    def _act(self, decisions: tuple[Decision, ...]) -> None:
        for decision in decisions:
            if isinstance(decision, Reclaim):
                self._engine.reclaim(decision)
                continue
            if decision.job_id not in self._jobs:
                self._engine.resume(decision.job_id)
                continue
            job, handle = self._jobs[decision.job_id], self._handles[decision.job_id]
            if isinstance(decision, Start):
                self._engine.start(job, handle, decision.placement)
            elif isinstance(decision, Refuse):
                self._engine.refuse(handle, decision.reason)
            del self._jobs[decision.job_id], self._handles[decision.job_id]
        waits = self._broker.waits
        self._engine.waiting(waits)
        line = self._broker.state.waiting.in_order(waits.keys() & self._jobs.keys())
        self._engine.next_up((self._jobs[job_id], self._handles[job_id]) for job_id in line)

    def _wind_down(self, message: Message | None) -> None:
        """Nothing may start any more: what waits goes back, then what ended is taken note of.

        Jobs that are suspended run already, so they go on to their ends.
        """
        self._engine.next_up(())
        if isinstance(message, Ready):
            self._engine.hand_back([handle for _, handle in message.jobs])
        if self._handles:
            self._resume(self._broker.withdraw(self._handles.keys()))
            self._engine.hand_back(list(self._handles.values()))
            self._handles.clear()
            self._jobs.clear()
        if isinstance(message, Ended):
            ended = self._broker.finish(message.job_id, message.outcome, message.peak_mib)
            self._resume(ended)
            message.made_way.set_result(False)
            self._engine.learn(self._broker.ended())
        elif isinstance(message, WasMoved):
            self._take_note(message)
        elif message is None and self._broker.state.suspended:
            self._resume(self._broker.poll())

    def _resume(self, decisions: tuple[Decision, ...]) -> None:
        """Let those go on that are given room again; nothing else starts."""
        for decision in decisions:
            if isinstance(decision, Start):
                self._engine.resume(decision.job_id)
