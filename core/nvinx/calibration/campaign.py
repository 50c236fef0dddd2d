"""Carries out the tasks of a calibration: loads programs, runs them, and times them."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nvinx.calibration.rates import rates
from nvinx.calibration.results import Alone, Beside, Crowd, CrowdFailed, Failed
from nvinx.calibration.tasks import Group, Solo, Together, Windows
from nvinx.calibration.timed import Timed
from nvinx.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nvinx.calibration.programs import Program
    from nvinx.calibration.results import Result
    from nvinx.calibration.tasks import Task
    from nvinx.gpu.ports import GpuMeter, GpuReading

_LONG = 3  # iterations that a window holds at least


@dataclass
class Campaign:
    """One calibration on one card, or on one CPU core where there is none.

    meter: reads the card while a program runs; None on a CPU core. environ: of the programs. wait:
    called over and over, as often as a few times a second. loaded_at_once: how many programs stay
    loaded, paused, where more are measured than run side by side.
    """

    programs: Mapping[str, Program]
    folder: Path
    windows: Windows = field(default_factory=Windows)
    meter: GpuMeter | None = None
    core: int | None = None
    environ: Mapping[str, str] | None = None
    wait: Callable[[], None] = lambda: None
    loaded_at_once: int = 2
    _loaded: dict[str, Timed] = field(default_factory=dict)
    _iteration_s: dict[str, float] = field(default_factory=dict)

    def measure(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Each task's result as it comes. Raises CalibrationError when a program fails alone."""
        with contextlib.closing(self):
            for task in tasks:
                yield self.run(task)

    def run(self, task: Task) -> Result:
        """One task's result; `close` the campaign afterwards. Raises as `measure` does."""
        match task:
            case Together():
                return self._together(task)
            case Group():
                return self._group(task)
        return self._alone(task)

    def load(self, models: Sequence[str]) -> list[Timed]:
        """The programs' processes, ready; others make room where need be, new ones load together.

        Raises CalibrationError when one cannot be loaded; `close` the campaign then.
        """
        for name in list(self._loaded):
            full = len({*self._loaded, *models}) > self.loaded_at_once
            if full and name not in models:
                self._loaded.pop(name).end()
        new = [name for name in models if name not in self._loaded]
        for name in new:
            program, log = self.programs[name], self.folder / f"{_file_name(name)}.log"
            timed = Timed(program, log, environ=self.environ, core=self.core, wait=self.wait)
            self._loaded[name] = timed
        for name in new:
            self._loaded[name].ready()
        return [self._loaded[name] for name in models]

    def side_by_side(self, models: Sequence[str]) -> list[tuple[float, ...]]:
        """Iterations per second of each of these in the same windows.

        Raises CalibrationError, after ending all programs, when they cannot run side by side.
        """
        try:
            programs = self.load(models)
            with self._running(programs) as start:
                window_s = self._window_s(programs, start)
                return [tuple(each) for each in self._rates(programs, start, window_s, [])]
        except CalibrationError:
            self.close()
            raise

    def close(self) -> None:
        """End every program."""
        for timed in self._loaded.values():
            timed.end()
        self._loaded.clear()

    def _alone(self, task: Solo) -> Alone:
        (timed,) = self.load(task.models)
        with self._running([timed]) as start:
            window_s = self._window_s([timed], start)
            readings: list[GpuReading] = []
            before = timed.cpu_s()
            began = time.monotonic()
            values = self._rates([timed], start, window_s, readings)[0]
            busy = (timed.cpu_s() - before) / (time.monotonic() - began)
        self._iteration_s[task.model] = len(values) / sum(values)
        if self.meter is None:
            return Alone(task.model, task.again, tuple(values), min(busy, 1.0), None)
        used = [r.used_mib for r in readings if r.used_mib is not None]
        return Alone(
            task.model,
            task.again,
            tuple(values),
            _mean_utilisation(readings),
            max(used, default=None),
        )

    def _together(self, task: Together) -> Beside | Failed:
        try:
            one, other = self.side_by_side(task.models)
        except CalibrationError as error:
            return Failed(task.a, task.b, error.problem)
        return Beside(task.a, task.b, one, other)

    def _group(self, task: Group) -> Crowd | CrowdFailed:
        try:
            return Crowd(task.models, tuple(self.side_by_side(task.models)))
        except CalibrationError as error:
            return CrowdFailed(task.models, error.problem)

    @contextlib.contextmanager
    def _running(self, programs: Sequence[Timed]) -> Iterator[float]:
        """Run the programs; the value is the moment from which they are warm."""
        for timed in programs:
            timed.go()
        yield time.monotonic() + self.windows.warm_up_s
        for timed in programs:
            timed.pause()

    def _window_s(self, programs: Sequence[Timed], start: float) -> float:
        """At least as long as asked for, and several iterations of the slowest program."""
        self._sleep_until(start)
        slowest = 0.0
        for timed in programs:
            known = self._iteration_s.get(timed.program.name)
            slowest = max(slowest, self._first_s(timed) if known is None else known)
        return max(self.windows.seconds, _LONG * len(programs) * slowest)

    def _first_s(self, timed: Timed) -> float:
        while True:
            marks = timed.marks()
            if len(marks) > 1:
                return (marks[-1][0] - marks[0][0]) / marks[-1][1]
            self._sleep_until(time.monotonic() + 0.1)

    def _rates(
        self,
        programs: Sequence[Timed],
        start: float,
        window_s: float,
        readings: list[GpuReading],
    ) -> list[list[float]]:
        """Rates of each program in the same windows; all keep running until all are past them."""
        start = max(start, time.monotonic())
        end = start + window_s * self.windows.count
        while time.monotonic() < end:
            if self.meter is not None:
                readings.append(self.meter.read())
            self._sleep_until(min(end, time.monotonic() + 0.1))
        for timed in programs:
            while (last := timed.last()) is None or last[0] < end:
                self._sleep_until(time.monotonic() + 0.05)
        marks = [timed.marks() for timed in programs]
        return [rates(each, start, window_s, self.windows.count) for each in marks]

    def _sleep_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self.wait()
            time.sleep(min(left, 0.1))


def _mean_utilisation(readings: Sequence[GpuReading]) -> float | None:
    values = [r.utilisation for r in readings if r.utilisation is not None]
    return statistics.fmean(values) if values else None


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
