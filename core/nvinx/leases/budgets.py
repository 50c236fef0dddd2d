"""Telling jobs of a range of VRAM how much of it they may use, by a file and a signal."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from nvinx.host import budget_files, proc
from nvinx.host.budget_files import Told
from nvinx.jobs.vram_range import SIGNAL
from nvinx.leases import processes
from nvinx.leases.environment import declared_mb
from nvinx.leases.markers import is_token

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nvinx.admission.job import Budget

_KINDS = ("", budget_files.ANSWER, ".signalled", ".heard")
_NUMBER = signal.Signals[f"SIG{SIGNAL}"]


class BudgetFiles:
    """Budgets as files beside the signs of life, in their folder.

    Whoever decides tells, and whoever comes next tells again if that one died on the way.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, token: str) -> Path:
        return self._file(token, "")

    def tell(self, token: str, budget: Budget, seen: Iterable[tuple[int, int]] = ()) -> None:
        """Bring the file up to date, and signal those of the job's processes that listen for it.

        seen: processes that are the job's without its marker, with their start times. The signal
        comes after the file, and is noted after it was sent: it may come twice, and is never lost.
        Other users' processes are left to a program of theirs.
        """
        if self._lives(token):
            self._tell(token, _told(budget), seen)
            if not self._lives(token):  # it ended meanwhile, and its files were removed before
                with suppress(OSError):
                    remove(self._folder, token)

    def _lives(self, token: str) -> bool:
        """Also that the token, which anybody may have written, leads to no other folder."""
        return is_token(token) and (self._folder / f"{token}.lock").exists()

    def _tell(self, token: str, told: Told, seen: Iterable[tuple[int, int]]) -> None:
        file = self.file(token)
        there = budget_files.read(file)
        if there is not None and there.number > told.number:
            return  # somebody decided since
        if there != told and not budget_files.write(told, file):
            return
        was_signalled = not told.number or budget_files.read(self._signalled(token)) == told
        if self._is_ours(token) and not was_signalled:
            alive = [pid for pid, start in seen if proc.started(pid) == start]
            if processes.tell([token], _NUMBER, alive):
                budget_files.write(told, self._heard(token))
            budget_files.write(told, self._signalled(token))

    def is_kept(self, token: str, budget: Budget) -> bool:
        """Whether the job answered that it keeps to this very budget."""
        return budget_files.read(budget_files.answer_file(self.file(token))) == _told(budget)

    def is_heard(self, token: str, budget: Budget) -> bool:
        """Whether a process of the job that listens for the signal was told so of this budget."""
        return budget_files.read(self._heard(token)) == _told(budget)

    def _is_ours(self, token: str) -> bool:
        """Whether this user's processes hold the lease, whoever decided upon it."""
        with suppress(OSError):
            return (self._folder / f"{token}.lock").lstat().st_uid == os.geteuid()
        return False

    def _signalled(self, token: str) -> Path:
        return self._file(token, ".signalled")

    def _heard(self, token: str) -> Path:
        return self._file(token, ".heard")

    def _file(self, token: str, kind: str) -> Path:
        return self._folder / f"{token}.budget{kind}"


def remove(folder: Path, token: str) -> None:
    """Remove what a job was told of its budget, once its sign of life is gone. Raises OSError."""
    for kind in _KINDS:
        for draft in ("", budget_files.DRAFT):
            folder.joinpath(f"{token}.budget{kind}{draft}").unlink(missing_ok=True)


def ended(folder: Path) -> set[str]:
    """The tokens of jobs that were told of a budget, and whose sign of life is gone."""
    tokens = {file.name.partition(".budget")[0] for file in folder.glob("*.budget*")}
    return {token for token in tokens if not (folder / f"{token}.lock").exists()}


def _told(budget: Budget) -> Told:
    return Told(declared_mb(budget.mib), budget.number)
