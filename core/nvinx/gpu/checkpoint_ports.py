"""Moving the GPU memory of processes to RAM, as nvinx asks for it; `checkpoint` does it. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nvinx.errors import SuspendError


class CudaState(Enum):
    """What the driver did to a process that uses CUDA.

    LOCKED: its calls of CUDA wait. CHECKPOINTED: the same, and its GPU memory is in RAM. FAILED:
    nothing brings it back. UNDER_WAY: between two of these.
    """

    RUNNING = "running"
    LOCKED = "locked"
    CHECKPOINTED = "checkpointed"
    FAILED = "failed"
    UNDER_WAY = "under way"


class Checkpoint(Protocol):
    """Moving the GPU memory of other processes to RAM and back; each call waits until it is done.

    All but `problem` raise SuspendError where the driver refuses.
    """

    def problem(self) -> SuspendError | None:
        """Why nothing can be suspended on this machine; None where it can. Never raises."""
        ...

    def state(self, pid: int) -> CudaState | None:
        """None for a process that does not use CUDA, or has gone."""
        ...

    def lock(self, pid: int) -> None:
        """Let it call CUDA no more, once what it began is done; not for longer than a while."""
        ...

    def checkpoint(self, pid: int) -> None:
        """Copy the GPU memory of a locked process to RAM, and free it on the card."""
        ...

    def restore(self, pid: int) -> None:
        """Copy it back; the process is locked then. Where the card has too little room, no later
        try succeeds either (https://github.com/NVIDIA/cuda-checkpoint/issues/44).
        """
        ...

    def unlock(self, pid: int) -> None:
        """Let a locked process go on."""
        ...
