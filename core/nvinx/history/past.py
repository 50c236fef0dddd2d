"""What earlier runs left in a state folder: their history, and what it teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import HistoryError
from nvinx.history.statistics import RunStatistics
from nvinx.history.store import SqliteHistory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nvinx.history.runs import PastRun


class Past:
    """Runs of this user's jobs, and their statistics, read when they are first asked for.

    problem: why the history cannot be used, in words. Work goes on without its lessons, and
    whoever has somebody to tell says so.
    """

    def __init__(self, history: SqliteHistory, card_names: Iterable[str]) -> None:
        """What is known of jobs on the CPU and on cards of these names."""
        self._history, self._cards = history, tuple(card_names)
        self.problem: str | None = None
        self.statistics = RunStatistics(recall=self.runs)

    @classmethod
    def read(cls, state_dir: Path, card_names: Iterable[str]) -> Past:
        past = cls(SqliteHistory(state_dir / "history.db"), card_names)
        try:
            past._history.demand_usable()
        except HistoryError as error:
            past.problem = str(error)
        return past

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
