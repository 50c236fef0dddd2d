"""A fake of the driver's checkpoints: states by decree, refusals when told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import SuspendError
from nvinx.gpu.checkpoint_ports import CudaState

if TYPE_CHECKING:
    from collections.abc import Collection

_AFTER = {
    "lock": (CudaState.RUNNING, CudaState.LOCKED),
    "checkpoint": (CudaState.LOCKED, CudaState.CHECKPOINTED),
    "restore": (CudaState.CHECKPOINTED, CudaState.LOCKED),
    "unlock": (CudaState.LOCKED, CudaState.RUNNING),
}


class FakeCheckpoint:
    """Keeps the states of these processes; the calls in `refused` fail, and `done` tells of all.

    A call that comes in the wrong state is refused, as by the driver.
    """

    def __init__(self, pids: Collection[int] = ()) -> None:
        self.states = dict.fromkeys(pids, CudaState.RUNNING)
        self.refused: set[str] = set()
        self.done: list[tuple[str, int]] = []
        self.unable: SuspendError | None = None

    def problem(self) -> SuspendError | None:
        return self.unable

    def state(self, pid: int) -> CudaState | None:
        return self.states.get(pid)

    def lock(self, pid: int) -> None:
        self._do("lock", pid)

    def checkpoint(self, pid: int) -> None:
        self._do("checkpoint", pid)

    def restore(self, pid: int) -> None:
        self._do("restore", pid)

    def unlock(self, pid: int) -> None:
        self._do("unlock", pid)

    def _do(self, call: str, pid: int) -> None:
        before, after = _AFTER[call]
        if call in self.refused or self.states.get(pid) is not before:
            raise SuspendError(f"{call} of process {pid} failed", "look why")
        self.states[pid] = after
        self.done.append((call, pid))
