"""The cells of the benchmark: a shape of workload, a table of co-runs, its strength, a bench."""

import math
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "interference"))

from lessons import lesson, measured
from msgspec.structs import replace as with_changes
from tables import Table

from nvinx.admission.estimates import CAUTION, NONE, Estimates
from nvinx.bench.capacity import Capacity, Card
from nvinx.interference import SlowdownModel
from nvinx.simulation.generate import KINDS
from nvinx.simulation.workload import Task, Workload

MODELS = 6
SIZES_MB = (500, 700, 900, 1200, 1600, 2200)
ONE = Capacity((Card(id="g", index=0, name="card", total_mib=4096),), 8, 32_000)
SMALLER = Card(id="h", index=1, name="small card", total_mib=2560)
TWO = Capacity((*ONE.cards, SMALLER), 8, 32_000)
ON_TWO = ("bag", "pipelines", "deep")
WRONG = (0.3, 3.0)


@dataclass(frozen=True)
class Case:
    """One workload on one bench: as it truly is, and as the policy believes it to be."""

    workload: Workload
    capacity: Capacity
    truth: SlowdownModel
    believed: SlowdownModel
    caution: float

    @property
    def true(self) -> Estimates:
        return Estimates(self.truth, caution=NONE)

    @property
    def estimates(self) -> Estimates:
        return Estimates(self.believed, caution={**CAUTION, "predicted": self.caution})


@dataclass(frozen=True, eq=False)
class Cell:
    """A kind of workload on a table of co-runs. times: `exact`, `wrong` or `unknown`."""

    table: Table
    kind: str
    scale: float = 1.0
    cards: int = 1
    times: str = "exact"

    @property
    def label(self) -> str:
        parts = [f"{self.table.name}, {self.kind}"]
        parts += ["two cards"] if self.cards > 1 else []
        parts += [f"run times {self.times}"] if self.times != "exact" else []
        return ", ".join([*parts, *(["harsh"] if self.scale > 1 else [])])

    @property
    def has_cpu_versions(self) -> bool:
        return "fallback" in self.kind

    def case(self, seed: int, caution: float = CAUTION["predicted"]) -> Case:
        """Drawn from the seed: models of the table, their sizes, and the jobs."""
        draw = random.Random(f"{self.table.name} {self.kind} {seed}")
        names = draw.sample(measured(self.table), MODELS)
        truth, believed = lesson(self.table, names, self.scale)
        workload = KINDS[self.kind]([(name, draw.choice(SIZES_MB)) for name in names], draw)
        told = TIMES[self.times](workload, draw)
        return Case(told, ONE if self.cards == 1 else TWO, truth, believed, caution)


def _wrong(workload: Workload, draw: random.Random) -> Workload:
    """Declared run times are off by 0.3 to 3 times, each by its own."""
    low, high = map(math.log, WRONG)

    def told(task: Task) -> Task:
        factor = math.exp(draw.uniform(low, high))
        return with_changes(task, runtime_s=task.duration_s * factor)

    return Workload.of(map(told, workload.tasks.values()))


def _unknown(workload: Workload, _draw: random.Random) -> Workload:
    return Workload.of(with_changes(t, runtime_s=None) for t in workload.tasks.values())


TIMES = {"exact": lambda workload, _draw: workload, "wrong": _wrong, "unknown": _unknown}


def cells(tables: list[Table], scales: tuple[float, ...] = (1.0, 2.5)) -> list[Cell]:
    """All cells with exact run times."""
    return [
        cell
        for scale in scales
        for table in tables
        for cell in (
            *(Cell(table, kind, scale) for kind in KINDS),
            *(Cell(table, kind, scale, cards=2) for kind in ON_TWO),
        )
    ]


def with_times(some: list[Cell], times: str) -> list[Cell]:
    return [replace(cell, times=times) for cell in some]
