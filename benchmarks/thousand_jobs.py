"""Many one-line CPU jobs: `--executor nvinx` against stock `--cores`, both in one go.

    python benchmarks/thousand_jobs.py [--jobs 1000] [--against-jobs N] [--only stock|nvinx]
        [--cores 2] [--repeat 1] [--json]

With `--against-jobs` a workflow of that size runs as well; what a job costs in each is compared.
Snakemake's default rate limit for executor plugins (100 jobs a second) stays in force.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

SNAKEFILE = """
rule all:
    input: expand("out/{{i}}", i=range({jobs}))

rule one:
    output: "out/{{i}}"
    shell: "echo {{wildcards.i}} > {{output}}"
"""


SIDES = ("stock", "nvinx")


def options(side: str, jobs: int, cores: int) -> list[str]:
    """What Snakemake is told."""
    return [
        *("--cores", str(cores)),
        *(("--executor", "nvinx", "--jobs", str(jobs)) if side == "nvinx" else ()),
    ]


def seconds(jobs: int, arguments: list[str]) -> float:
    """Wall time of one run in a fresh folder; raises CalledProcessError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE.format(jobs=jobs), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--quiet", "all", *arguments]
        environ = {**os.environ, "NVINX_STATE_DIR": str(Path(folder, "state"))}
        begin = time.monotonic()
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        took = time.monotonic() - begin
        made = len(list(Path(folder, "out").iterdir()))
        if made != jobs:
            raise RuntimeError(f"{made} outputs instead of {jobs}")
        return took


def measure(size: int, sides: tuple[str, ...], cores: int, repeat: int) -> dict[str, list[float]]:
    """Wall times by side; the sides alternate."""
    took: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(repeat):
        for side in sides:
            click.echo(f"{size} jobs, round {number + 1} of {repeat}: {side}", err=True)
            took[side].append(seconds(size, options(side, size, cores)))
    return took


def show(took: dict[int, dict[str, list[float]]], cores: int) -> None:
    """One table; a row for each round."""
    table = Table(title=f"one-line jobs on {cores} cores, wall time (s)")
    for column in ("jobs", *next(iter(took.values()))):
        table.add_column(column, justify="right", min_width=10)
    for size, by_side in took.items():
        for times in zip(*by_side.values(), strict=True):
            table.add_row(str(size), *(f"{time:.1f}" for time in times))
    Console().print(table)


def ratios(took: dict[int, dict[str, list[float]]]) -> dict[str, float]:
    """nvinx over stock at each size, and by side a job's cost at one size over that at another."""
    found = {
        f"{size} jobs, nvinx / stock": sum(by_side["nvinx"]) / sum(by_side["stock"])
        for size, by_side in took.items()
        if len(by_side) == len(SIDES)
    }
    few, many = min(took), max(took)
    for side in took[few] if few < many else ():
        each = {size: sum(took[size][side]) / size for size in (few, many)}
        found[f"{side}, a job among {many} / among {few}"] = each[many] / each[few]
    return found


@click.command()
@click.option("--jobs", default=1000, help="How many jobs.")
@click.option("--against-jobs", type=int, help="Also this many jobs, to compare a job's cost.")
@click.option("--only", type=click.Choice(SIDES), help="Just this side.")
@click.option("--cores", default=2, help="How many cores.")
@click.option("--repeat", default=1, help="How often; both sides alternate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    jobs: int, against_jobs: int | None, only: str | None, cores: int, repeat: int, as_json: bool
) -> None:
    """Wall time of N one-line jobs under stock Snakemake and under nvinx."""
    sides = (only,) if only else SIDES
    sizes = sorted({jobs, against_jobs or jobs})
    took = {size: measure(size, sides, cores, repeat) for size in sizes}
    if as_json:
        print(json.dumps({"cores": cores, "seconds": took, "ratios": ratios(took)}))
        return
    show(took, cores)
    for name, ratio in ratios(took).items():
        print(f"{name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
