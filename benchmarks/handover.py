"""How long a card stands idle between two jobs that want it alone, 150 ms each.

    python benchmarks/handover.py [--jobs 40] [--rounds 3] [--json]

The same jobs as a bash loop, under Snakemake's local executor with `gpu=1`, under nvinx on a
simulated card, and as `nvinx run` by five programs that wait for each other. Each job notes when it
begins and ends; the gap is from one end to the next beginning, the median of all.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from scene import Scene

CORES = 2
WAITERS = 5
WORK = 'date +%s.%N >>"$NOTES"; sleep 0.15; date +%s.%N >>"$NOTES"'
BENCH = """
hardware:
  cpu_cores: 4
  ram_gb: 8
  gpus: [{name: toy, vram_gb: 4.0, simulated: true}]
"""
SNAKEFILE = """
rule all:
    input: expand("out/{{n}}", n=range({jobs}))
rule job:
    output: "out/{{n}}"
    resources: gpu=1
    shell: '{work}; touch {{output}}'
"""


class Jobs(Scene):
    """The same jobs in several ways, which note when they begin and end."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.jobs, self.notes = jobs, folder / "notes"
        super().__init__(folder, BENCH, NOTES=str(self.notes))
        (folder / "Snakefile").write_text(SNAKEFILE.format(jobs=jobs, work=WORK))

    def run(self, *words: str) -> None:
        subprocess.run(
            words, cwd=self.folder, env=self.environment, check=True, capture_output=True
        )

    def snakemake(self, *words: str) -> None:
        self.run("snakemake", "--cores", str(CORES), "--quiet", "all", *words)

    def loop(self) -> None:
        self.run("bash", "-c", f"for n in $(seq {self.jobs}); do bash -c '{WORK}'; done")

    def stock(self) -> None:
        self.snakemake("--resources", "gpu=1")

    def nvinx(self) -> None:
        self.snakemake("--executor", "nvinx", "--jobs", "unlimited")

    def programs(self) -> None:
        command = ("nvinx", "run", "--residency", "gpu_exclusive", "--", "bash", "-c", WORK)
        with ThreadPoolExecutor(WAITERS) as crowd:
            for done in [crowd.submit(self.run, *command) for _ in range(self.jobs)]:
                done.result()

    def gap_ms(self) -> float:
        times = [float(line) for line in self.notes.read_text().split()]
        gaps = [after - before for before, after in pairwise(times)][1::2]
        return 1000 * statistics.median(gaps)


SIDES = {
    "bash loop": Jobs.loop,
    "Snakemake, gpu=1": Jobs.stock,
    "Snakemake with nvinx": Jobs.nvinx,
    f"nvinx run, {WAITERS} waiting": Jobs.programs,
}


def measure(name: str, jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        scene = Jobs(Path(folder), jobs)
        SIDES[name](scene)
        return scene.gap_ms()


@click.command()
@click.option("--jobs", default=40, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="The sides in turn, so many times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(jobs: int, rounds: int, as_json: bool) -> None:
    """How long a card stands idle between two jobs that want it alone."""
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds):
        for name, gaps in found.items():
            gaps.append(measure(name, jobs))
    best = {name: min(gaps) for name, gaps in found.items()}
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table(title="the card stands idle between two jobs, ms")
    for column in ("", "each round", "best", "over Snakemake"):
        table.add_column(column, justify="right")
    for name, gaps in found.items():
        each = ", ".join(f"{gap:.0f}" for gap in gaps)
        table.add_row(
            name, each, f"{best[name]:.0f}", f"{best[name] / best['Snakemake, gpu=1']:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
