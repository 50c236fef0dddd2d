"""GPUs as nvinx asks for them; `nvml` and `meter` are the real ones. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.errors import SuspendError


class GpuProcess(Struct, frozen=True):
    """One process that uses a GPU; `used_mib` is None where the driver will not say."""

    pid: int
    used_mib: int | None


class GpuState(Struct, frozen=True):
    """One GPU as the driver shows it: `total_mib` is usable VRAM, `used_mib` None if unknown."""

    id: str
    index: int
    name: str
    total_mib: int
    used_mib: int | None = None
    processes: tuple[GpuProcess, ...] = ()


class GpuInventory(Struct, frozen=True):
    """All GPUs at one moment. `problem` says in words why there are none, or why one is missing."""

    gpus: tuple[GpuState, ...] = ()
    problem: str | None = None


class GpuFacts(Struct, frozen=True):
    """What a GPU is; None where the driver does not say. Power in watts, memory in MiB."""

    name: str
    driver: str | None = None
    total_mib: int | None = None
    sm_count: int | None = None
    compute_capability: tuple[int, int] | None = None
    max_sm_clock_mhz: int | None = None
    power_limit_w: float | None = None
    persistence: bool | None = None
    accounting: bool | None = None


class GpuReading(Struct, frozen=True):
    """What a GPU does at one moment; None where the driver does not say.

    utilisation: share of the last fraction of a second, 0..1, in which any kernel ran.
    """

    utilisation: float | None = None
    used_mib: int | None = None
    power_w: float | None = None
    sm_clock_mhz: int | None = None
    temperature_c: int | None = None


class GpuMeter(Protocol):
    def read(self) -> GpuReading:
        """One GPU now. Never raises: what the driver does not say is None."""
        ...


Distance: TypeAlias = tuple[str, str, int]  # ids of two cards, and how far apart they are


class GpuTopology(Protocol):
    def read(self, ids: Sequence[str]) -> tuple[Distance, ...]:
        """How far the cards of these ids are from each other, as far as the driver says.

        0: a link between them; the larger, the farther. Never raises.
        """
        ...


class GpuProbe(Protocol):
    def read(self) -> GpuInventory:
        """The GPUs of this machine now. Never raises: a failing driver is a `problem`."""
        ...


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
