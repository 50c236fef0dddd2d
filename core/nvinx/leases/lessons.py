"""What an engine's jobs teach as they end: how long each ran, and beside whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.co_residency import CoResidency
from nvinx.history.statistics import RunStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.admission.events import Finished
    from nvinx.admission.job import Running
    from nvinx.admission.state import State
    from nvinx.history.runs import PastRun


class Lessons:
    """Watches who shares a card with whom, and tells `statistics` of each job that ends.

    asleep: for how many seconds the machine has slept; that is none of a job's time.
    """

    def __init__(self, statistics: RunStatistics | None, asleep: Callable[[], float]) -> None:
        self._statistics = statistics or RunStatistics()
        self._asleep = asleep
        self._co_residency = CoResidency()
        self._asleep_at: dict[str, float] = {}
        self._untold: list[PastRun] = []
        self._last: Finished | None = None

    def observe(self, running: Iterable[Running], at: float) -> None:
        """These jobs, of all engines, run at this time of the clock."""
        self._co_residency.observe(running, at, self._asleep())

    def note_sleep(self, job_ids: Iterable[str]) -> None:
        """What the machine slept before one of these jobs began is none of the job's time."""
        before, now_s = self._asleep_at, self._asleep()
        self._asleep_at = {job_id: before.get(job_id, now_s) for job_id in job_ids}

    def learn(self, event: Finished, state: State) -> None:
        """Learn from a job that ended; once, if a turn is repeated. state: with it running."""
        ended = state.running.get(event.job_id)
        if event is self._last or ended is None or ended.job.claim.on_card:
            return  # what ran in parts teaches nothing of times
        self._last = event
        asleep_s = self._asleep()
        slept_s = asleep_s - self._asleep_at.get(event.job_id, asleep_s)
        card_name = _card_name(state, ended.placement.card)
        run = self._co_residency.finish(ended, event.at, card_name=card_name, slept_s=slept_s)
        run = replace(run, outcome=event.outcome, peak_mib=event.peak_mib)
        self._untold.append(run)
        self._statistics.add(run)

    def take(self) -> tuple[PastRun, ...]:
        """The jobs that ended since this was last asked."""
        untold, self._untold = tuple(self._untold), []
        return untold


def _card_name(state: State, card_id: str | None) -> str | None:
    """A card that has gone is known by its id."""
    return next((card.name for card in state.capacity.cards if card.id == card_id), card_id)
