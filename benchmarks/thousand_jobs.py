"""Many one-line jobs: `--executor nvinx` against stock `--cores`, both in one go.

    python benchmarks/thousand_jobs.py [--jobs 1000] [--against-jobs N] [--only stock|nvinx]
        [--vram-mb 100] [--cores 2] [--repeat 1] [--json]

Wall time, CPU time of Snakemake's own process, in which both sides run their executor, and CPU time
of all, with solvers and shells. With `--vram-mb` every job asks for so much of a simulated card of
4 GB, which stock Snakemake has no limit for. With `--against-jobs` a workflow of that size runs as
well; what a job costs in each is compared. Stock Snakemake keeps its default limit of 100 jobs a
second, which nvinx leaves out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

SNAKEFILE = """
rule all:
    input: expand("out/{{i}}", i=range({jobs}))

rule one:
    output: "out/{{i}}"
    {hints}
    shell: "echo {{wildcards.i}} > {{output}}"
"""
BENCH = "hardware: {vram_gb: 4, simulated: true}\n"
# Snakemake, and at its end what its own process has used.
SNAKEMAKE = """
import atexit, resource, sys
def note():
    own, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    with open("cpu_s", "w") as file:
        print(own.ru_utime + own.ru_stime, others.ru_utime + others.ru_stime, file=file)
atexit.register(note)
from snakemake.cli import main
main()
"""

SIDES = ("stock", "nvinx")


class Took(NamedTuple):
    """Seconds that one run took: by the clock, of Snakemake's own process, of all processes."""

    wall_s: float
    engine_s: float
    cpu_s: float


def options(side: str, jobs: int, cores: int) -> list[str]:
    """What Snakemake is told."""
    return [
        *("--cores", str(cores)),
        *(("--executor", "nvinx", "--jobs", str(jobs)) if side == "nvinx" else ()),
    ]


def run(jobs: int, vram_mb: int | None, arguments: list[str]) -> Took:
    """One run in a fresh folder; raises CalledProcessError when it fails."""
    hints = "" if vram_mb is None else f"resources: vram_mb={vram_mb}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE.format(jobs=jobs, hints=hints), "utf-8")
        Path(folder, "nvinx.yaml").write_text(BENCH, "utf-8")
        command = [sys.executable, "-c", SNAKEMAKE, "--quiet", "all", *arguments]
        environ = {**os.environ, "NVINX_STATE_DIR": str(Path(folder, "state"))}
        begin = time.monotonic()
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        wall_s = time.monotonic() - begin
        made = len(list(Path(folder, "out").iterdir()))
        if made != jobs:
            raise RuntimeError(f"{made} outputs instead of {jobs}")
        own_s, others_s = map(float, Path(folder, "cpu_s").read_text("utf-8").split())
        return Took(wall_s, own_s, own_s + others_s)


Runs = dict[int, dict[str, list[Took]]]


def measure(
    size: int, sides: tuple[str, ...], vram_mb: int | None, cores: int, repeat: int
) -> dict[str, list[Took]]:
    """What runs of this size took by side; the sides alternate."""
    took: dict[str, list[Took]] = {side: [] for side in sides}
    for number in range(repeat):
        for side in sides:
            click.echo(f"{size} jobs, round {number + 1} of {repeat}: {side}", err=True)
            took[side].append(run(size, vram_mb, options(side, size, cores)))
    return took


def show(took: Runs, cores: int) -> None:
    """One table; a row for each round."""
    table = Table(title=f"one-line jobs on {cores} cores (s): wall, engine's CPU, all CPU")
    for column in ("jobs", *next(iter(took.values()))):
        table.add_column(column, justify="right", min_width=10)
    for size, by_side in took.items():
        for times in zip(*by_side.values(), strict=True):
            table.add_row(str(size), *("  ".join(f"{s:.1f}" for s in each) for each in times))
    Console().print(table)


def ratios(took: Runs) -> dict[str, float]:
    """nvinx over stock at each size, and by side a job's cost at one size over that at another."""
    found = {}
    for position, what in enumerate(("wall", "engine's CPU", "all CPU")):
        each = {
            size: {side: sum(t[position] for t in some) / size for side, some in by_side.items()}
            for size, by_side in took.items()
        }
        for size, by_side in each.items():
            if len(by_side) == len(SIDES):
                found[f"{what}: {size} jobs, nvinx / stock"] = by_side["nvinx"] / by_side["stock"]
        few, many = min(each), max(each)
        for side in each[few] if few < many else ():
            name = f"{what}: {side}, a job among {many} / among {few}"
            found[name] = each[many][side] / each[few][side]
    return found


@click.command()
@click.option("--jobs", default=1000, help="How many jobs.")
@click.option("--against-jobs", type=int, help="Also this many jobs, to compare a job's cost.")
@click.option("--only", type=click.Choice(SIDES), help="Just this side.")
@click.option("--vram-mb", type=int, help="What every job asks for of the card; else none does.")
@click.option("--cores", default=2, help="How many cores.")
@click.option("--repeat", default=1, help="How often; both sides alternate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(  # noqa: PLR0913  (one argument per option)
    *,
    jobs: int,
    against_jobs: int | None,
    only: str | None,
    vram_mb: int | None,
    cores: int,
    repeat: int,
    as_json: bool,
) -> None:
    """What N one-line jobs take under stock Snakemake and under nvinx."""
    sides = (only,) if only else SIDES
    sizes = sorted({jobs, against_jobs or jobs})
    took = {size: measure(size, sides, vram_mb, cores, repeat) for size in sizes}
    if as_json:
        print(json.dumps({"cores": cores, "seconds": took, "ratios": ratios(took)}))
        return
    show(took, cores)
    for name, ratio in ratios(took).items():
        print(f"{name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
