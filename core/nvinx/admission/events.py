"""What can happen on a bench, what follows from it, and who decides. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from nvinx.jobs.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.admission.state import Job, Placement, State, Waiting
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.reasons import Reason


@dataclass(frozen=True, slots=True)
class Submitted:
    """Jobs became ready, in the order in which they were handed over."""

    jobs: tuple[Job, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A running job ended, in success or failure; what it held is free.

    peak_mib: the most VRAM it was seen to use, None where nobody saw.
    """

    job_id: str
    at: float
    outcome: Outcome = Outcome.OK
    peak_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Waiting jobs are no longer wanted."""

    job_ids: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class CardsChanged:
    """The cards were read again: some may be new, gone, or used by programs outside nvinx."""

    cards: tuple[Card, ...]
    at: float


Event: TypeAlias = Submitted | Finished | Withdrawn | CardsChanged


@dataclass(frozen=True, slots=True)
class Start:
    job_id: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class Refuse:
    """The job can never run on this bench; it was not queued."""

    job_id: str
    reason: Reason


Decision: TypeAlias = Start | Refuse


class Policy(Protocol):
    """What `admission.step` asks of a policy; all of it pure."""

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        """The waiting jobs in the order in which `admit` asks them."""
        ...

    def admit(self, state: State, at: float) -> tuple[Start, ...]:
        """The waiting jobs to start at time `at` (seconds), with their placements."""
        ...

    def impossible(self, job: Job, capacity: Capacity) -> Reason | None:
        """Why this job can never run on this bench, or None when it can."""
        ...

    def reasons(self, state: State, at: float) -> dict[str, Reason]:
        """Why each waiting job waits, by job id."""
        ...
