"""GPUs as nvinx asks for them; `nvml` and `meter` are the real ones. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


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
