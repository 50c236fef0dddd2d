"""Suspending all processes of a job: GPU memory to RAM, threads stopped; and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import SuspendError
from nvinx.gpu.ports import CudaState
from nvinx.leases import processes

if TYPE_CHECKING:
    from nvinx.gpu.ports import Checkpoint, GpuProbe

_FIX = "use preemptible='requeue' or 'signal'"
_STOPPED = "some of its processes do not stop"


class Suspender:
    """Suspends jobs by their tokens. What it does to a job it undoes where it cannot do all of it.

    The driver works in threads of the very process, so these stop last and go on first.
    """

    def __init__(self, checkpoint: Checkpoint, probe: GpuProbe | None = None) -> None:
        """probe: tells which of a job's processes use a card; None where every card is simulated."""
        self._checkpoint, self._probe = checkpoint, probe

    def suspend(self, token: str) -> int | None:
        """Free what the job uses of its card, and stop it. The MiB that it used, if that was seen.

        Raises SuspendError where it cannot be; the job then runs on as before, but where the error
        says otherwise.
        """
        used_mib = self._used_mib(token)
        try:
            found = self._on_card(token)
            for pid in found:
                self._checkpoint.lock(pid)
            for pid in found:
                self._checkpoint.checkpoint(pid)
            if not processes.stop([token]):
                raise SuspendError(_STOPPED, _FIX)
            self._demand_all_off(token)
        except SuspendError:
            self.bring_back(token)
            raise
        return used_mib

    def bring_back(self, token: str) -> None:
        """Let the job go on, with its memory on its card, whatever had been done to it.

        To be called only while the job has its room there. Raises SuspendError where it cannot.
        """
        processes.go_on([token])
        there = self._on_card(token)
        for pid in there:
            if self._checkpoint.state(pid) is CudaState.CHECKPOINTED:
                self._checkpoint.restore(pid)
        for pid in there:
            if self._checkpoint.state(pid) is CudaState.LOCKED:
                self._checkpoint.unlock(pid)
        stuck = [pid for pid in there if self._checkpoint.state(pid) is CudaState.FAILED]
        if stuck:
            raise SuspendError(f"the driver has given process {stuck[0]} up", _FIX)

    def _on_card(self, token: str) -> list[int]:
        """Those of its processes that use CUDA."""
        pids = processes.pids([token])
        found = [pid for pid in pids if self._checkpoint.state(pid) is not None]
        hidden = self._seen(token).keys() - set(found)
        if hidden:
            problem = f"process {min(hidden)} uses the card in a way that has no checkpoint"
            raise SuspendError(problem, _FIX)
        return found

    def _demand_all_off(self, token: str) -> None:
        """Raise SuspendError where it began to use the card again meanwhile."""
        states = (self._checkpoint.state(pid) for pid in processes.pids([token]))
        if any(state not in (None, CudaState.CHECKPOINTED) for state in states):
            raise SuspendError("it began to use the card while it was suspended", _FIX)

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
