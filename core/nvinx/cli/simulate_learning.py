"""`nvinx simulate --learn`: a workload run after run, and what the runs before taught."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.bench.resolve import Bench
    from nvinx.interference.slowdown import SlowdownModel
    from nvinx.simulation.learning import LearningRun, Scene
    from nvinx.simulation.workload import Workload

_TITLES = ("run", "learned", "over calibrated", "calibrated", "serial", "vram-fifo")


def runs(
    work: Workload, bench: Bench, truth: SlowdownModel | None, times: int, noise: float, seed: int
) -> Iterator[LearningRun]:
    """Play the workload so many times, with a history of its own that begins empty."""
    from nvinx.history.past import Past
    from nvinx.simulation import learning

    scene, draw = _scene(work, bench, truth), random.Random(seed)
    names = [card.name for card in bench.cards]
    with tempfile.TemporaryDirectory(prefix="nvinx-simulate-") as folder:
        yield from learning.play(
            (learning.noisy(work, noise, draw) for _ in range(times)),
            scene,
            lambda: Past.read(Path(folder), names, scene.told),
        )


def _scene(work: Workload, bench: Bench, truth: SlowdownModel | None) -> Scene:
    """The bench, where the truth is either stated or what its own calibration says."""
    from nvinx.admission.estimates import NONE, Estimates
    from nvinx.calibration.foreseen import calibration_of
    from nvinx.simulation.learning import Scene

    told = None if truth is None else bench.slowdowns
    real = truth or bench.slowdowns
    if real is None:
        problem = "No slowdowns are given, so there is nothing to learn"
        fix = "name the real slowdowns with --truth, or give the bench file `interference:`"
        raise click.UsageError(f"{problem}; {fix}.")
    models = {task.model for task in work.tasks.values() if task.model and task.uses_gpu}
    if strange := sorted(models - real.traits.keys()):
        guess = "typical values are used"
        click.echo(f"nvinx: there is no co-run of {', '.join(strange)}; {guess}.", err=True)
    exact, calibrated = Estimates(real, caution=NONE), calibration_of(real, models)
    return Scene(bench.capacity, exact, calibrated, told, bench.utilisation)


def show(played: Iterator[LearningRun], times: int, *, as_json: bool) -> None:
    """Print the runs: a progress bar on stderr while they are played, then a table or JSON."""
    with click.progressbar(played, times, label="Simulating runs", file=sys.stderr) as bar:
        listed = list(bar)
    if as_json:
        import json

        click.echo(json.dumps({"runs": [plain(each) for each in listed]}, indent=2))
    else:
        _table(listed)


def plain(run: LearningRun) -> dict[str, float]:
    """The makespans of one run in seconds, by policy, and the ratio."""
    from msgspec import to_builtins

    return {**to_builtins(run), "over_calibrated": run.over_calibrated}


def _table(listed: list[LearningRun]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from nvinx.formatting import duration

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in _TITLES:
        table.add_column(title, justify="right")
    for number, run in enumerate(listed, start=1):
        others = [duration(s) for s in (run.calibrated_s, run.serial_s, run.packed_s)]
        ratio = f"{run.over_calibrated:.2f}"
        table.add_row(str(number), duration(run.learned_s), ratio, *others)
    Console(markup=False, highlight=False, emoji=False).print(table)
