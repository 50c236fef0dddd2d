"""The doors to the outside world. Core code may name these types; only `host` opens them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from nvinx.admission.step import Job, Placement
    from nvinx.reasons import Reason


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """One process that uses a GPU; `used_mib` is None where the driver will not say."""

    pid: int
    used_mib: int | None


@dataclass(frozen=True, slots=True)
class GpuSight:
    """One GPU as the driver shows it: `total_mib` is usable VRAM, `used_mib` None if unknown."""

    id: str
    index: int
    name: str
    total_mib: int
    used_mib: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuLook:
    """All GPUs at one moment. `problem` says in words why there are none, or why one is missing."""

    gpus: tuple[GpuSight, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class GpuFacts:
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


@dataclass(frozen=True, slots=True)
class GpuReading:
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


class GpuProbe(Protocol):
    def look(self) -> GpuLook:
        """The GPUs of this machine now. Never raises: a failing driver is a `problem`."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """A job's hold on a card, valid while its processes live.

    since: seconds on the machine's boot clock. seen: GPU processes that were found to belong to
    the job, as (pid, start time in clock ticks), for those that hide their other signs of life.
    """

    job: Job
    placement: Placement
    since: float
    seen: tuple[tuple[int, int], ...] = ()

    @property
    def id(self) -> str:
        return self.job.id


@dataclass(frozen=True, slots=True)
class Request:
    """A job that waits for a card. `heard` is when its engine last spoke; both in boot seconds."""

    job: Job
    since: float
    heard: float
    reason: Reason | None = None

    @property
    def id(self) -> str:
        return self.job.id


class Page(Protocol):
    """The ledger as one transaction sees it; every change takes effect together, or none does."""

    def leases(self) -> tuple[Lease, ...]: ...

    def requests(self) -> tuple[Request, ...]: ...

    def hold(self, lease: Lease) -> None:
        """Enter a new lease. Raises LeaseExistsError when the job holds one already."""
        ...

    def note(self, lease: Lease) -> None:
        """Write down what is newly known of a lease that is held; unknown ones are left out."""
        ...

    def drop(self, lease_id: str) -> None:
        """Give a lease back. Dropping one that is not there is not an error."""
        ...

    def ask(self, request: Request) -> None:
        """Enter a waiting request, or bring it up to date."""
        ...

    def unask(self, request_id: str) -> None:
        """Take a waiting request out. Taking out one that is not there is not an error."""
        ...


class Ledger(Protocol):
    """The machine-wide record of who holds which card and who waits for one."""

    def turn(self) -> AbstractContextManager[Page]:
        """One exclusive transaction; an exception inside undoes it."""
        ...


class Life(Protocol):
    """Signs of life. A token is the id of a lease or of an engine."""

    def begin(self, token: str) -> None:
        """Show life for this token until `end`, or until this process dies."""
        ...

    def end(self, token: str) -> None:
        """Stop showing life; other processes that carry the token keep it alive."""
        ...

    def outlived(self, token: str) -> bool:
        """Whether anything but what this process began shows life for the token."""
        ...

    def alive(self, tokens: Collection[str]) -> set[str]:
        """Those tokens for which anything on this machine still shows life."""
        ...

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        """Which of these processes carry a token, themselves or by descent."""
        ...

    def ring(self, token: str) -> None:
        """Tell whoever shows life for this token that there may be room for it now."""
        ...

    def has_rung(self, token: str) -> bool:
        """Whether somebody rang for this token since this was last asked; a look, not a turn.

        Two rings within a few milliseconds may count as one, and one may be missed: look anyway
        now and then.
        """
        ...

    def started(self, pid: int) -> int | None:
        """When the process started, in clock ticks since boot; None when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A plain file, links resolved, and how many of its bytes are meant, from the first on."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Warmed:
    """How much was read into the page cache, and in what time; `problem` says what was not."""

    size_bytes: int = 0
    took_s: float = 0.0
    problem: str | None = None


class Stager(Protocol):
    """Reads files into the page cache in the background, and gives way to all other work.

    One thread calls it. Nothing here raises for what a file, or the machine, is like.
    """

    def begin(self, files: Sequence[File], floor_mib: int) -> None:
        """Read these in order while at least this much RAM is left, and nothing else."""
        ...

    def result(self) -> Warmed | None:
        """What came of it, told once; None while it reads, and when there is nothing to tell."""
        ...

    def stop(self) -> None:
        """Read no more, and leave nothing running."""
        ...


class Clock(Protocol):
    def __call__(self) -> float:
        """Seconds since boot, the same for every process of the machine."""
        ...
