"""Suspending all processes of a job: GPU memory to RAM, threads stopped; and the way back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nvinx.errors import StuckError, SuspendError
from nvinx.gpu.checkpoint_ports import CudaState
from nvinx.leases import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.gpu.checkpoint_ports import Checkpoint
    from nvinx.gpu.ports import GpuProbe

_SHOWN_WITHIN_S, _SETTLED_WITHIN_S, _POLL_S = 5.0, 60.0, 0.05
_FIX = "use preemptible='requeue' or 'signal'"


class Suspender:
    """Suspends jobs by their tokens. What it does to a job it undoes where it cannot do all of it.

    The driver works in threads of the very process, so these stop last and go on first.
    """

    def __init__(self, checkpoint: Checkpoint, probe: GpuProbe | None = None) -> None:
        """probe: tells which processes of a job use a card; None where every card is simulated."""
        self._checkpoint, self._probe = checkpoint, probe

    def suspend(self, token: str) -> int | None:
        """Free what the job uses of its card, and stop it. The MiB that it used, if that was seen.

        Raises SuspendError where it cannot be, and runs on as before; StuckError where it does not.
        """
        used_mib, found = self._used_mib(token), self._movable(token)
        try:
            self._move(token, found)
        except SuspendError:
            self.bring_back(token)
            raise
        return used_mib

    def bring_back(self, token: str) -> None:
        """Let the job go on, with its memory on its card, whatever had been done to it.

        To be called only while the job has its room there. Raises StuckError where it cannot.
        """
        processes.go_on([token])
        try:
            there = self._of_cuda(token)
            for pid in there:
                if self._settled(pid) is CudaState.CHECKPOINTED:
                    self._checkpoint.restore(pid)
            for pid in there:
                if self._checkpoint.state(pid) is CudaState.LOCKED:
                    self._checkpoint.unlock(pid)
            stuck = [p for p in there if self._checkpoint.state(p) not in (None, CudaState.RUNNING)]
        except SuspendError as error:
            raise StuckError(error.problem, error.fix) from error
        if stuck:
            raise StuckError(f"the driver has given process {stuck[0]} up", _FIX)

    def _movable(self, token: str) -> list[int]:
        """Its processes that use CUDA. Raises SuspendError where others use the card as well."""
        found = self._of_cuda(token)
        hidden = self._seen(token).keys() - set(found)
        if hidden:
            problem = f"process {min(hidden)} uses the card in a way that has no checkpoint"
            raise SuspendError(problem, _FIX)
        return found

    def _move(self, token: str, found: Sequence[int]) -> None:
        for pid in found:
            self._checkpoint.lock(pid)
        for pid in found:
            self._checkpoint.checkpoint(pid)
        if not processes.stop([token]):
            raise SuspendError("some of its processes do not stop", _FIX)
        states = [self._checkpoint.state(pid) for pid in self._of_cuda(token)]
        if any(state is not CudaState.CHECKPOINTED for state in states):
            raise SuspendError("it began to use the card while it was suspended", _FIX)
        self._await_free(token)

    def _await_free(self, token: str) -> None:
        """Until the card no longer shows anything of it. Raises SuspendError."""
        deadline = time.monotonic() + _SHOWN_WITHIN_S
        while any(self._seen(token).values()):
            if time.monotonic() > deadline:
                raise SuspendError("the card still shows what it had there", _FIX)
            time.sleep(_POLL_S)

    def _settled(self, pid: int) -> CudaState | None:
        """Its state once what an engine that was killed had begun is done; the driver goes on."""
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while (state := self._checkpoint.state(pid)) is CudaState.UNDER_WAY:
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        return state

    def _of_cuda(self, token: str) -> list[int]:
        pids = processes.pids([token])
        return [pid for pid in pids if self._checkpoint.state(pid) is not None]

    def _used_mib(self, token: str) -> int | None:
        seen = self._seen(token)
        known = [mib for mib in seen.values() if mib is not None]
        return sum(known) if known and len(known) == len(seen) else None

    def _seen(self, token: str) -> dict[int, int | None]:
        """Its processes on the cards, and what the driver says that each uses."""
        if self._probe is None:
            return {}
        pids = set(processes.pids([token]))
        there = (one for gpu in self._probe.read().gpus for one in gpu.processes)
        return {one.pid: one.used_mib for one in there if one.pid in pids}
