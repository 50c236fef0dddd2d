"""A few models of a table: how they truly slow each other, and what a calibration tells of it."""

from dataclasses import replace

from tables import Table

from nvinx.calibration import fit_slowdown_model
from nvinx.calibration.tasks import Together, plan
from nvinx.interference import CoRun, SlowdownModel


def scaled(run: CoRun, scale: float) -> CoRun:
    """The co-run with so many times the excess slowdown."""

    def stretch(slowdown: float | None) -> float | None:
        return None if slowdown is None else 1 + scale * max(slowdown - 1, 0)

    return replace(run, slowdown_a=stretch(run.slowdown_a), slowdown_b=stretch(run.slowdown_b))


def measured(table: Table) -> list[str]:
    """The models that met another one."""
    return sorted({name for run in table.cross for name in (run.a, run.b)})


def among(table: Table, names: list[str]) -> list[CoRun]:
    """The co-runs of these models with each other, and with their own kind."""
    return [run for run in table.coruns if {run.a, run.b} <= set(names)]


def lesson(table: Table, names: list[str], scale: float) -> tuple[SlowdownModel, SlowdownModel]:
    """The truth, of all co-runs of these models, and a calibration, of 2N of them."""
    runs = [scaled(run, scale) for run in among(table, names)]
    chosen = {frozenset(task.models) for task in plan(names) if isinstance(task, Together)}
    known = [run for run in runs if frozenset((run.a, run.b)) in chosen]
    return fit_slowdown_model(runs), fit_slowdown_model(known)
