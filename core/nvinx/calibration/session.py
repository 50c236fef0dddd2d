"""One calibration from programs to a slowdown model: what is measured, kept, and concluded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nvinx.calibration.campaign import Campaign
from nvinx.calibration.crossval import cross_validate
from nvinx.calibration.notebook import Notebook
from nvinx.calibration.results import conclude
from nvinx.calibration.tasks import Windows, plan, plan_newcomers, plan_triples
from nvinx.errors import CalibrationError
from nvinx.interference.fit import fit_slowdown_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nvinx.calibration.crossval import CrossValidation
    from nvinx.calibration.programs import Program
    from nvinx.calibration.results import Findings, Result
    from nvinx.calibration.tasks import Task
    from nvinx.gpu.ports import GpuMeter
    from nvinx.interference.slowdown import Provenance, SlowdownModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where the programs run: a card, or one CPU core.

    environ: of the programs, None for this process's own.
    """

    provenance: Provenance
    core: int | None = None
    meter: GpuMeter | None = None
    environ: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The slowdown model, how wrong it is on pairs it has not seen (None: too few), and why."""

    model: SlowdownModel
    validation: CrossValidation | None
    findings: Findings


@dataclass
class Calibration:
    """A calibration in a folder: begun, gone on with, or extended by further programs.

    triples: measure three at a time, too. Raises CalibrationError when fewer than two programs (of
    triples three) are known, a probe is none of them, or the folder holds a calibration of another
    place.
    """

    programs: Sequence[Program]
    folder: Path
    place: Place
    windows: Windows = field(default_factory=Windows)
    probes: Sequence[str] = ()
    triples: bool = False
    notebook: Notebook = field(init=False)
    tasks: list[Task] = field(init=False)

    def __post_init__(self) -> None:
        where = self.place.provenance
        self.notebook = Notebook(
            self.folder,
            {
                "card": where.card,
                "driver": where.driver,
                "sharing": where.sharing,
                "date": where.date,
                "window_s": self.windows.seconds,
            },
            {program.name: program for program in self.programs},
        )
        known = self.notebook.programs
        if len(known) < 2:  # noqa: PLR2004
            fix = "name at least two with --model or --command"
            raise CalibrationError("calibration", "a co-run needs two programs", fix)
        for probe in self.probes:
            if probe not in known:
                fix = f"name one of {', '.join(known)}"
                raise CalibrationError(f"--probe {probe}", "is not one of the programs", fix)
        if self.triples and len(known) < 3:  # noqa: PLR2004
            fix = "name at least three with --model or --command"
            raise CalibrationError("--triples", "three together need three programs", fix)
        self.tasks = self.notebook.left([*self._all_tasks(), *self._all_triples()])

    def measure(self, wait: Callable[[], None] = lambda: None) -> Iterator[tuple[Task, Result]]:
        """Measure what is left; each result is on disk before it is yielded."""
        campaign = Campaign(
            self.notebook.programs,
            self.folder,
            self.windows,
            self.place.meter,
            self.place.core,
            self.place.environ,
            wait,
        )
        for task, result in zip(self.tasks, campaign.measure(self.tasks), strict=True):
            self.notebook.write(result)
            yield task, result

    def outcome(self) -> Outcome:
        """What the measurements say. Raises CalibrationError when no pair could be measured."""
        findings = conclude(self.notebook.results)
        if not findings.coruns:
            problem = "; ".join(findings.warnings) or "nothing was measured"
            raise CalibrationError("calibration", problem, "see the programs' logs")
        # Shares of a CPU core say nothing of a GPU's kernels; programs that compute have them at 1.
        utilisation = findings.utilisation if self.place.core is None else {}
        model = fit_slowdown_model(
            findings.coruns,
            groups=findings.groups,
            utilisation=utilisation,
            provenance=self.place.provenance,
        )
        solo_ms = {name: 1000 / rate for name, rate in findings.solo.items()}
        try:
            validation = cross_validate(findings.coruns, utilisation=utilisation, solo_ms=solo_ms)
        except ValueError:
            validation = None
        return Outcome(model, validation, findings)

    def _all_tasks(self) -> list[Task]:
        """The plan of the first programs, and two co-runs for each that came later."""
        first = self.notebook.first
        later = [name for name in self.notebook.programs if name not in first]
        tasks = plan(first, self.probes)
        if not later:
            return tasks
        if self.notebook.left(tasks):
            return plan(list(self.notebook.programs), self.probes)
        return tasks + plan_newcomers(later, self.probes or self._best_partners())

    def _all_triples(self) -> list[Task]:
        return plan_triples(list(self.notebook.programs), self.probes) if self.triples else []

    def _best_partners(self) -> list[str]:
        """The known program that hurts others most, and the one in the middle."""
        traits = fit_slowdown_model(conclude(self.notebook.results).coruns).traits
        ranked = sorted(self.notebook.first, key=lambda name: traits[name].hurts, reverse=True)
        return [ranked[0], ranked[len(ranked) // 2]]
