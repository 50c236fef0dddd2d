"""The cells of the benchmark: what is played, and what came out of it."""

import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lessons import among, lesson, measured
from tables import Table
from workloads import Lab

from nvinx.admission.estimates import NONE, Estimates
from nvinx.bench.capacity import Capacity, Card
from nvinx.history.past import Past
from nvinx.simulation.learning import LearningRun, Scene, play

CAPACITY = Capacity((Card(id="g", index=0, name="card", total_mib=4096),), 8, 32_000)
MODELS = 6
UNKNOWN = 3  # pairs of theirs that may be missing from a table


@dataclass(frozen=True)
class Cell:
    """Work on a table whose excess slowdown is scaled. sized: sizes of inputs explain the noise."""

    shape: str
    scale: float
    noise: float
    sized: bool = False

    @property
    def label(self) -> str:
        sized = ", sizes known" * self.sized
        return f"{self.shape} x{self.scale:g} noise {self.noise:g}{sized}"


CELLS = (
    *(Cell("bag", 2.5, noise) for noise in (0.0, 0.3, 0.7)),
    Cell("bag", 2.5, 0.7, sized=True),
    *(Cell("bag", 1.75, noise) for noise in (0.0, 0.3)),
    *(Cell("bag", 1.0, noise) for noise in (0.0, 0.3)),
    *(Cell(shape, 2.5, 0.3) for shape in ("pipelines", "deep", "stream")),
)


def played(table: Table, cell: Cell, seed: int, runs: int) -> list[LearningRun]:
    """One seed: a lab's workload run after run, through a history that begins empty."""
    draw = random.Random(f"{table.name} {seed}")
    names = _models(table, draw)
    truth, calibrated = lesson(table, names, cell.scale)
    lab = Lab(names, draw, cell.shape, cell.noise, cell.sized)
    scene = Scene(CAPACITY, Estimates(truth, caution=NONE), calibrated)
    with tempfile.TemporaryDirectory() as folder:
        workloads = (lab.run() for _ in range(runs))
        return list(play(workloads, scene, lambda: Past.read(Path(folder), ["card"], scene.told)))


def _models(table: Table, draw: random.Random) -> list[str]:
    """Models of whose pairs nearly all were measured."""
    while True:
        names = draw.sample(measured(table), MODELS)
        if len(among(table, names)) >= MODELS * (MODELS + 1) // 2 - UNKNOWN:
            return names


def summary(seeds: list[list[LearningRun]]) -> dict[str, list[float]]:
    """Means over the seeds: makespan over the calibrated one by run, and the same of the others."""
    by_run = list(zip(*seeds, strict=True))
    return {
        "learned": [statistics.fmean(run.over_calibrated for run in runs) for runs in by_run],
        "serial": [statistics.fmean(r.serial_s / r.calibrated_s for r in runs) for runs in by_run],
        "packed": [statistics.fmean(r.packed_s / r.calibrated_s for r in runs) for runs in by_run],
    }
