"""What earlier runs left in a state folder: their history, and what it teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.errors import HistoryError
from nvinx.history.statistics import RunStatistics
from nvinx.history.store import SqliteHistory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nvinx.history.runs import PastRun


class Past(Struct, frozen=True):
    """Runs of this user's jobs, and their statistics.

    problem: why the history cannot be used, in words. Work goes on without its lessons, and
    whoever has somebody to tell says so.
    """

    history: SqliteHistory
    runs: tuple[PastRun, ...]
    statistics: RunStatistics
    problem: str | None = None

    @classmethod
    def read(cls, state_dir: Path, card_names: Iterable[str]) -> Past:
        """What is known of jobs on the CPU and on cards of these names."""
        history = SqliteHistory(state_dir / "history.db")
        try:
            runs = history.runs(card_names)
        except HistoryError as error:
            return cls(history, (), RunStatistics(), str(error))
        return cls(history, runs, RunStatistics(runs))

    @classmethod
    def unread(cls, state_dir: Path) -> Past:
        """Where nothing of earlier runs may play a part."""
        return cls(SqliteHistory(state_dir / "history.db"), (), RunStatistics())

    def keep(self, runs: Iterable[PastRun], source: str) -> str | None:
        """Remember more runs of one workflow or program; why that is not possible, in words."""
        try:
            self.history.add(runs, source)
        except HistoryError as error:
            return str(error)
        return None
