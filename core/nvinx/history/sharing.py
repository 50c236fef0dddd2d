"""What past runs on cards teach of sharing, by the joint fit. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nvinx.interference.observed import Observed, of_common
from nvinx.jobs.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.history.runs import PastRun
    from nvinx.interference.belief import Belief
    from nvinx.interference.slowdown import SlowdownModel

MOST = 600  # runs that are fitted: the newest
MOST_PROFILES = 40  # that are told apart: those in most of these runs, and the calibrated
_FEW = 20  # runs per one more that is worth another fit


class Sharing:
    """The newest runs on cards, and when they are worth another fit.

    One thread adds, another may learn meanwhile.
    """

    def __init__(
        self,
        slowdowns: SlowdownModel | None = None,
        earlier: Callable[[], Iterable[PastRun]] = tuple,
        *,
        fitted: int = 0,
        new: int = 0,
        seed: int = 0,
    ) -> None:
        """slowdowns: of a calibration. earlier: gives earlier runs, the oldest first.

        fitted, new: how many of these were fitted already, and how many were not. seed: of the next
        draw; it grows with each run.
        """
        self._slowdowns, self._earlier = slowdowns, earlier
        self._rows: deque[Observed] | None = None
        self._added: deque[Observed] = deque(maxlen=MOST)
        self._fitted, self._new, self._seed = fitted, new, seed
        self.awaited: frozenset[str] = frozenset()

    def add(self, run: PastRun) -> None:
        rows = _observed([run])
        self._added.extend(rows)
        self._new += len(rows)
        self._seed += len(rows)

    def demand(self, profile: str) -> None:
        """What this one's last run shows is awaited: it is worth a fit of its own."""
        self.awaited |= {profile}

    @property
    def is_due(self) -> bool:
        """Whether there is enough new: each run counts while few are known."""
        return bool(self.awaited) or self._new > self._fitted // _FEW

    def learn(self) -> Belief:
        """The fit of all that is known."""
        awaited = self.awaited
        try:
            return self._fit()
        finally:
            self.awaited -= awaited

    def _fit(self) -> Belief:
        from nvinx.interference import joint_fit

        if self._rows is None:
            self._rows = deque(_observed(self._earlier()), maxlen=MOST)
        rows = [*self._rows, *list(self._added)][-MOST:]
        self._fitted, self._new = len(rows), 0
        told = self._slowdowns
        common = of_common(rows, MOST_PROFILES, () if told is None else told.traits)
        if told is None:
            return joint_fit.fit(common, seed=self._seed)
        return joint_fit.fit(common, told.measured, self._seed, told.exponent, told.groups)


class Settled(Sharing):
    """Where nothing more is to be learned."""

    def demand(self, profile: str) -> None:
        """Nobody waits for what will not come."""

    @property
    def is_due(self) -> bool:
        return False


def _observed(runs: Iterable[PastRun]) -> list[Observed]:
    """Those that teach something of sharing: they had a card and went well."""
    return [
        Observed(run.kind, run.profile, run.ran_s, run.company, run.size, run.card)
        for run in runs
        if run.kind and run.card is not None and run.outcome is Outcome.OK and run.ran_s > 0
    ]
