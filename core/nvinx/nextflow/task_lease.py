"""A task's lease: waits for the card, and leaves the task's environment in its folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission import explain
from nvinx.bench import machine
from nvinx.host import files
from nvinx.jobs import attempt
from nvinx.jobs.outcome import Outcome
from nvinx.leases.client import LeaseClient
from nvinx.leases.wait_messages import WaitMessages
from nvinx.nextflow import guard_script, handover
from nvinx.nextflow import task as nextflow_task
from nvinx.nextflow.handover import HELD, READY, LeaseFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nvinx.leases.client import HeldLease
    from nvinx.nextflow.task import Task
    from nvinx.nextflow.waiting_process import WaitingProcess
    from nvinx.reasons import Reason

_LOOK_S = 0.05
_NOBODY_WAITS = 143


class Place(Struct, frozen=True):
    """The task's folder, the one that Nextflow was started in, and the bench file if one is named.

    Without a name, the bench file is looked for as everywhere, beside the launch first.
    """

    folder: Path
    launch_dir: Path
    bench: Path | None = None


class TaskLease:
    """Speaks for one task. What goes wrong is told in the words of a Nextflow process.

    say: takes lines for the task's log. Ends the program when nobody waits for the lease any more.
    """

    def __init__(
        self, task: Task, waiting: WaitingProcess, place: Place, say: Callable[[str], None]
    ) -> None:
        self._task, self._waiting, self._place, self._say = task, waiting, place, say
        self._tell = WaitMessages(task.name, say)

    def take(self, file: Path, fd: int) -> bool:
        """Take a lease for whoever has its file open; False if the file was swept away."""
        lease_file = LeaseFile(file)
        if not handover.lock(lease_file, fd):
            return False
        with self._client() as client:
            self._take(client, lease_file)
        return True

    def prepare(self) -> None:
        """Take a lease and hold it until it is taken over, or nobody wants it any more."""
        held = self._place.folder / HELD
        with self._client() as client:
            lease_file = handover.new_lease_file(client.state_dir)
            self._take(client, lease_file)
            files.write(guard_script.text_to_adopt(lease_file), held)
            while held.exists() and self._waiting.lives():
                time.sleep(_LOOK_S)
            held.unlink(missing_ok=True)

    def _take(self, client: LeaseClient, lease_file: LeaseFile) -> None:
        again = self._task.times_out_of_memory > 0
        told = attempt.variables(self._task.attempt, Outcome.OUT_OF_MEMORY if again else None)
        exports = self._waited_for(client, lease_file).exports | told
        files.write(handover.as_shell(exports), self._place.folder / READY)

    def _client(self) -> LeaseClient:
        bench = machine.bench(self._place.bench, self._place.launch_dir)
        return LeaseClient(bench, source="nextflow", say=self._say)

    def _waited_for(self, client: LeaseClient, lease_file: LeaseFile) -> HeldLease:
        task = self._task
        with nextflow_task.in_its_words():
            first = nextflow_task.claim(task, client.bench)
            before, claim, step = nextflow_task.climb(task, first, client.capacity)
            if step is not None:
                how = explain.ran_out(before, None)
                self._say(explain.tries_again(task.name, how, step, claim))
            held = client.acquire(claim, task.name, self._wait, lease_file.id)
        beside = client.beside(held)
        self._say(explain.started(held.job, held.placement, client.bench.cards, beside))
        return held

    def _wait(self, reason: Reason | None) -> None:
        if not self._waiting.lives():
            raise SystemExit(_NOBODY_WAITS)
        self._tell(reason)
