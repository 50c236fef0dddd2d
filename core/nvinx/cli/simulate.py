"""`nvinx simulate`: play a workload through the same decisions as real jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from nvinx.bench.resolve import Bench
    from nvinx.interference.slowdown import SlowdownModel
    from nvinx.simulation.workload import Workload

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(name="simulate")
@click.argument("workload", type=_FILE)
@options.bench
@click.option(
    "--truth",
    type=_FILE,
    help="The real slowdowns (`pairs:`); the policy sees only what the bench file predicts.",
)
@click.option(
    "--policy",
    "name",
    type=click.Choice(["nvinx", "serial", "vram-fifo"]),
    default="nvinx",
    show_default=True,
    help="nvinx's, one GPU job at a time, or as many as VRAM holds.",
)
@click.option(
    "--learn",
    "times",
    type=click.IntRange(min=1),
    metavar="RUNS",
    help="Simulate this many runs, each learning from those before, and compare other policies.",
)
@click.option(
    "--noise",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SIGMA",
    help="With --learn: how much a job's time varies, as the standard deviation of its logarithm.",
)
@click.option(
    "--seed",
    type=int,
    help="Make declared run times wrong by up to a factor of two; with --learn: seed of the noise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the lanes to this PNG.")
def command(  # noqa: PLR0913  (one argument per option)
    *,
    workload: Path,
    file: Path | None,
    truth: Path | None,
    name: str,
    times: int | None,
    noise: float,
    seed: int | None,
    as_json: bool,
    picture: Path | None,
) -> None:
    """Simulate WORKLOAD on the bench, and show what would run where and when.

    WORKLOAD is a YAML list of jobs, or the trace of a run (.nvinx/trace*) to replay.

    Slowdowns are what the bench file predicts unless --truth gives others. The lower bound is what
    no policy could beat.

    With --learn and --truth, the first run uses the bench file's slowdowns. Without --truth these
    are the real ones, and nothing is known at first.
    """
    from nvinx.admission.estimates import NONE, Estimates
    from nvinx.bench import machine
    from nvinx.cli import simulation_output as shown
    from nvinx.simulation import baselines, simulate

    if picture is not None:
        shown.demand_picture()
    bench = machine.bench(file, Path.cwd())
    work = _read(workload)
    if noise and times is None:
        raise click.UsageError("--noise applies to repeated runs; add --learn RUNS.")
    if times is not None:
        _learn(work, bench, truth, times, noise, seed or 0, as_json=as_json)
        return
    estimates = Estimates(bench.slowdowns, bench.utilisation)
    real = estimates if truth is None else Estimates(_truth(truth), caution=NONE)
    capacity = bench.capacity
    work = _misjudged(work, seed)
    policy, planner = baselines.as_in_a_run(name, work, estimates)
    played = simulate.simulate(work, capacity, policy, real, planner=planner)
    least_s = shown.lower_bound_s(work, capacity, real)
    if as_json:
        import json

        click.echo(json.dumps(shown.plain(played, least_s), indent=2))
    else:
        shown.show(played, least_s, bench)
    if picture is not None:
        shown.draw(played, bench, picture)


def _read(path: Path) -> Workload:
    from nvinx.runs import read as recorded
    from nvinx.runs import replay, trace
    from nvinx.simulation import workload_file

    if path.suffix == ".jsonl" or trace.is_trace(path):
        return replay.workload_of(recorded.read(path))
    return workload_file.parse(path.read_text(encoding="utf-8"), str(path))


def _learn(  # noqa: PLR0913  (what the options say)
    work: Workload,
    bench: Bench,
    truth: Path | None,
    times: int,
    noise: float,
    seed: int,
    *,
    as_json: bool,
) -> None:
    from nvinx.cli import simulate_learning

    real = None if truth is None else _truth(truth)
    played = simulate_learning.runs(work, bench, real, times, noise, seed)
    simulate_learning.show(played, times, as_json=as_json)


def _truth(path: Path) -> SlowdownModel:
    from nvinx.bench import coruns
    from nvinx.calibration import fit_slowdown_model

    measured = coruns.parse(path.read_text(encoding="utf-8"), str(path))
    return fit_slowdown_model(measured)


def _misjudged(work: Workload, seed: int | None) -> Workload:
    """The workload with declared run times off by a random factor from a half to two."""
    if seed is None:
        return work
    import random

    from msgspec.structs import replace

    from nvinx.simulation.workload import Workload

    draw = random.Random(seed)
    factors = {name: 2.0 ** draw.uniform(-1, 1) for name in work.tasks}
    return Workload.of(
        replace(task, runtime_s=task.runtime_s and task.runtime_s * factors[name])
        for name, task in work.tasks.items()
    )
