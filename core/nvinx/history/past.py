"""What earlier runs left in a state folder: their history, and what it teaches."""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING

from nvinx.errors import HistoryError
from nvinx.history.sharing import MOST, Sharing
from nvinx.history.statistics import RunStatistics
from nvinx.history.store import SqliteHistory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nvinx.history.runs import PastRun
    from nvinx.interference.slowdown import SlowdownModel


class Past:
    """Runs of this user's jobs, and their statistics, read when they are first asked for.

    What sharing costs is fitted aside, by whoever has a moment, and kept, so that a start only
    reads it. problem: why the history cannot be used, in words. Work goes on without its lessons,
    and whoever has somebody to tell says so.
    """

    def __init__(
        self,
        history: SqliteHistory,
        card_names: Iterable[str],
        slowdowns: SlowdownModel | None = None,
    ) -> None:
        """What is known of jobs on the CPU and on cards of these names.

        slowdowns: of a calibration, whose pairs are part of what is known.
        """
        self._history, self._cards = history, tuple(sorted(set(card_names)))
        self._subject = _subject(self._cards, slowdowns)
        self.problem: str | None = None
        self.statistics = RunStatistics(recall=self.runs)
        self._learner: Timer | None = None
        try:
            self.statistics = self._recalled(slowdowns)
        except HistoryError as error:
            self.problem = str(error)

    def _recalled(self, slowdowns: SlowdownModel | None) -> RunStatistics:
        """With what was learned of these cards, and what there is to learn since."""
        kept = self._history.belief(self._subject, self._cards)
        sharing = Sharing(
            slowdowns,
            lambda: self._newest(kept.last_id),
            fitted=kept.runs,
            new=kept.new,
            seed=kept.last_id,
        )
        statistics = RunStatistics(recall=self.runs, sharing=sharing)
        statistics.believe(kept.belief)
        return statistics

    def _newest(self, last_id: int) -> tuple[PastRun, ...]:
        try:
            return self._history.newest_on(self._cards, MOST, last_id)
        except HistoryError as error:
            self.problem = str(error)
            return ()

    @classmethod
    def read(
        cls, state_dir: Path, card_names: Iterable[str], slowdowns: SlowdownModel | None = None
    ) -> Past:
        return cls(SqliteHistory(state_dir / "history.db"), card_names, slowdowns)

    @classmethod
    def unread(cls, state_dir: Path) -> Past:
        """Where nothing of earlier runs may play a part."""
        past = cls(SqliteHistory(state_dir / "history.db"), ())
        past.statistics = RunStatistics()
        return past

    def runs(self, about: str | None = None) -> tuple[PastRun, ...]:
        """All of them, or those of a kind or profile; none, and a problem, where that fails."""
        try:
            return self._history.runs(self._cards, about)
        except HistoryError as error:
            self.problem = str(error)
            return ()

    def keep(self, runs: Iterable[PastRun], source: str) -> str | None:
        """Remember more runs of one workflow or program; what went wrong so far, in words."""
        try:
            self._history.add(runs, source)
        except HistoryError as error:
            self.problem = str(error)
        return self.problem

    def learn(self) -> None:
        """Fit what sharing costs, where enough is new, and keep that; nobody may wait for it."""
        try:
            if self.statistics.learn() and self.statistics.belief is not None:
                self._history.keep_belief(self._subject, self._cards, self.statistics.belief)
        except HistoryError as error:
            self.problem = str(error)

    def learn_meanwhile(self, after_s: float = 0.0) -> None:
        """The same in a thread, after a while; there is never more than one."""
        if self._learner is None or not self._learner.is_alive():
            self._learner = Timer(after_s, self.learn)
            self._learner.daemon = True
            self._learner.start()

    def learn_the_rest(self) -> None:
        """At the end of a run, when nothing waits any more."""
        if self._learner is not None:
            self._learner.join()
        self.learn()


def _subject(cards: Sequence[str], slowdowns: SlowdownModel | None) -> str:
    """What a belief is about: these cards, and this calibration."""
    if slowdowns is None:
        return repr(cards)
    import hashlib

    measured = (slowdowns.measured, slowdowns.groups)
    told = slowdowns.exponent, *(sorted(each.items(), key=str) for each in measured)
    return hashlib.sha256(repr((cards, told)).encode()).hexdigest()
