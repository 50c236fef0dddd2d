"""What can happen on a bench, what follows from it, and who decides. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct, field

from nvinx.admission.budgets import Rebudget  # noqa: TC001  (msgspec looks it up)
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nvinx.admission.job import Job, Placement
    from nvinx.admission.planner.plan import Plan
    from nvinx.admission.state import State
    from nvinx.bench.capacity import Capacity, Card


class Submitted(Struct, frozen=True):
    """Jobs became ready, in the order in which they were handed over.

    since: when those were first asked for that were withdrawn and come again.
    """

    jobs: tuple[Job, ...]
    at: float
    since: Mapping[str, float] = {}


class Finished(Struct, frozen=True):
    """A running job ended, in success or failure; what it held is free.

    peak_mib: the most VRAM it was seen to use, None where nobody saw.
    """

    job_id: str
    at: float
    outcome: Outcome = Outcome.OK
    peak_mib: int | None = None


class Withdrawn(Struct, frozen=True):
    """Waiting jobs are no longer wanted."""

    job_ids: tuple[str, ...]
    at: float


class Suspended(Struct, frozen=True):
    """The memory of a running job that gives its card back is in RAM; it waits to go on.

    used_mib: what it had used of its card, None where nobody saw.
    """

    job_id: str
    at: float
    used_mib: int | None = None


class Stayed(Struct, frozen=True):
    """A running job that was to be suspended could not be: it keeps its card."""

    job_id: str
    at: float


class CameBack(Struct, frozen=True):
    """The memory of a job that was suspended is on its card again, and it runs."""

    job_id: str
    at: float


class CardsChanged(Struct, frozen=True):
    """The cards were read again: some may be new, gone, or used by programs outside nvinx."""

    cards: tuple[Card, ...]
    at: float


Moved: TypeAlias = Suspended | Stayed | CameBack
Event: TypeAlias = Submitted | Finished | Withdrawn | CardsChanged | Moved


class Start(Struct, frozen=True):
    job_id: str
    placement: Placement


class Reclaim(Struct, frozen=True):
    """A running job that is to give its card back, or all its cards: to a job of this name.

    ram_mib: what it takes of RAM meanwhile, where it is suspended.
    """

    job_id: str
    to: str
    lost_s: float
    grace_s: float
    ram_mib: int = 0


class Refuse(Struct, frozen=True):
    """The job can never run on this bench; it was not queued."""

    job_id: str
    reason: Reason


Decision: TypeAlias = Start | Refuse | Reclaim


class Round(Struct, frozen=True):
    """One round of admission: who starts, and why others do not.

    waits: by job id, for those who were asked; a round asks no more than it must. ask: why a job
    would wait that was not asked; None where nothing but the end of the round is in its way.
    reclaims: running jobs that are to give their card back. budgets: running jobs that may use less
    or more of theirs.
    """

    starts: tuple[Start, ...] = ()
    waits: Mapping[str, Reason] = field(default_factory=dict)
    ask: Callable[[Job], Reason | None] | None = None
    reclaims: tuple[Reclaim, ...] = ()
    budgets: tuple[Rebudget, ...] = ()

    def reason(self, job: Job) -> Reason:
        """Why a job that did not start waits, whether it was asked or not."""
        reason = self.waits.get(job.id)
        if reason is None and self.ask is not None:
            reason = self.ask(job)
        return reason or Reason(job.name, Why.BEHIND_OLDER_JOB)


class Policy(Protocol):
    """What `admit` asks of a policy; all of it pure."""

    def decide(self, state: State, at: float) -> Round:
        """Who of the waiting jobs starts at time `at` (seconds), and why the others wait."""
        ...

    def following(self, plan: Plan) -> Policy:
        """The same policy with a plan, which chooses among the starts that it allows."""
        ...

    def impossible(self, job: Job, capacity: Capacity) -> Reason | None:
        """Why this job can never run on this bench, or None when it can."""
        ...
