"""A task's lease: waits for the card, leaves the task's environment in its folder, and keeps the
books until the task ends."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from nvinx.admission import explain
from nvinx.admission.job import Job
from nvinx.bench import machine
from nvinx.host import files
from nvinx.jobs import attempt
from nvinx.jobs.outcome import Outcome
from nvinx.leases.client import LeaseClient
from nvinx.leases.environment import declared_mb
from nvinx.leases.wait_messages import WaitMessages
from nvinx.nextflow import figures, guard_script, handover, task_watch
from nvinx.nextflow import task as nextflow_task
from nvinx.nextflow.apart import go_on_apart
from nvinx.nextflow.figures import Figures
from nvinx.nextflow.handover import HELD, READY, REFUSED, LeaseFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nvinx.admission.job import Placement
    from nvinx.bench.resolve import Bench
    from nvinx.leases.client import HeldLease
    from nvinx.nextflow.task import Task
    from nvinx.nextflow.waiting_process import WaitingProcess
    from nvinx.reasons import Reason

_LOOK_S = 0.05
_LOOK_AROUND_S = 1.0
_NOBODY_WAITS = 143


class Place(Struct, frozen=True):
    """The task's folder, the one that Nextflow was started in, and the bench file if one is named.

    Without a name, the bench file is looked for as everywhere, beside the launch first.
    """

    folder: Path
    launch_dir: Path
    bench: Path | None = None


class Book(Protocol):
    """Where it is written down what the tasks of a run do."""

    def join(self, bench: Bench, command: Sequence[str]) -> None: ...
    def submitted(self, job: Job) -> None: ...
    def waited(self, job_id: str, reason: Reason) -> None: ...
    def started(
        self, job: Job, placement: Placement, beside: Sequence[str], expected: float | None
    ) -> None: ...
    def ended(self, job_id: str, outcome: Outcome, peak_mib: int | None) -> None: ...


class TaskLease:
    """Speaks for one task. What goes wrong is told in the words of a Nextflow process.

    say: takes lines for the task's log. book: of the run. Ends the program when nobody waits for
    the lease any more.
    """

    def __init__(
        self,
        task: Task,
        waiting: WaitingProcess,
        place: Place,
        say: Callable[[str], None],
        book: Book,
    ) -> None:
        self._task, self._waiting, self._place, self._say = task, waiting, place, say
        self._tell = WaitMessages(task.name, say)
        self._book, self._reason = book, ""
        self._asked, self._looked_at = time.monotonic(), 0.0

    def take(self, fd: int) -> bool:
        """Take a lease for whoever has its file open, and keep its books in a process apart.

        False if the file was swept away.
        """
        file = LeaseFile(Path(f"/proc/self/fd/{fd}").readlink())
        ready = go_on_apart()
        if not handover.lock(file, fd):
            return False
        os.close(fd)  # the lock stays with the other descriptor
        with self._client() as client:
            held = self._take(client, file)
            ready()
            self._stay(client, held)
        return True

    def prepare(self, *, apart: bool = False) -> None:
        """Take a lease and hold it until it is taken over, or nobody wants it any more.

        apart: in a process apart; this one ends when the lease is held.
        """
        held_file, refused = self._place.folder / HELD, self._place.folder / REFUSED
        refused.unlink(missing_ok=True)
        ready = go_on_apart() if apart else lambda: None
        with self._client() as client:
            file = handover.new_lease_file(client.state_dir)
            held = self._take(client, file)
            files.write(guard_script.text_to_adopt(file), held_file)
            ready()
            while held_file.exists() and self._waiting.lives():
                time.sleep(_LOOK_S)
            if held_file.exists():
                held_file.unlink()
            elif not refused.exists():
                self._stay(client, held)

    def _take(self, client: LeaseClient, file: LeaseFile) -> HeldLease:
        again = self._task.times_out_of_memory > 0
        told = attempt.variables(self._task.attempt, Outcome.OUT_OF_MEMORY if again else None)
        for old in (task_watch.END, figures.FILE):
            (self._place.folder / old).unlink(missing_ok=True)
        held = self._waited_for(client, file)
        if held.lock is None:  # on the CPU, where no lease shows by its file whether the task lives
            client.liveness.announce(file.id)
        files.write(handover.as_shell(held.exports | told), self._place.folder / READY)
        return held

    def _client(self) -> LeaseClient:
        bench = machine.bench(self._place.bench, self._place.launch_dir)
        return LeaseClient(bench, source="nextflow", say=self._say)

    def _waited_for(self, client: LeaseClient, file: LeaseFile) -> HeldLease:
        task = self._task
        with nextflow_task.in_its_words():
            first = nextflow_task.claim(task, client.bench)
            if (remark := nextflow_task.remark(task, client.bench)) is not None:
                self._say(remark)
            before, claim, step = nextflow_task.climb(task, first, client.capacity)
            if step is not None:
                how = explain.ran_out(before, None)
                self._say(explain.tries_again(task.name, how, step, claim))
            self._book.join(client.bench, task.command)
            self._book.submitted(Job(file.id, task.name, claim, ""))
            held = client.acquire(claim, task.name, partial(self._wait, file.id), file.id)
        self._demand_waiting()
        beside = client.beside(held)
        self._book.started(held.job, held.placement, [one.job.id for one in beside], None)
        self._say(explain.started(held.job, held.placement, client.bench.cards, beside))
        return held

    def _wait(self, job_id: str, reason: Reason | None) -> None:
        if time.monotonic() - self._looked_at > _LOOK_AROUND_S:
            self._looked_at = time.monotonic()
            self._demand_waiting()
        if reason is not None:
            self._book.waited(job_id, reason)
            self._reason = explain.sentence(reason)
        self._tell(reason)

    def _demand_waiting(self) -> None:
        if not self._waiting.lives():
            raise SystemExit(_NOBODY_WAITS)

    def _stay(self, client: LeaseClient, held: HeldLease) -> None:
        """Until the task ends; then give the lease back, and leave the figures in its folder."""
        begun, place = time.monotonic(), held.placement
        cards = tuple(client.capacity.card(card_id) for card_id in place.cards)
        lives = partial(client.outlived, held)
        outcome, use = task_watch.until_the_end(self._place.folder, lives, cards)
        peak_mib = client.release(held, outcome)
        self._book.ended(held.job.id, outcome, peak_mib)
        declared = held.job.claim.vram_mib
        partners = client.ended[-1].partners if client.ended else ()
        found = Figures(
            placement=place.residency.value,
            cards=cards,
            declared_mb=None if declared is None else declared_mb(declared),
            peak_mb=None if peak_mib is None else declared_mb(peak_mib),
            use=use,
            partners=tuple(sorted(partners)),
            waited_s=begun - self._asked,
            waited_for=self._reason,
            held_s=time.monotonic() - begun,
            outcome=outcome.value,
        )
        files.write(figures.text(found), self._place.folder / figures.FILE)
