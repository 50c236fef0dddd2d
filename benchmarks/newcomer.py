"""A small wish beside a long queue: `nvinx run --vram 10MB -- true` while 1,000 jobs lack cores.

    python benchmarks/newcomer.py [--jobs 1000] [--before 400] [--times 10] [--json]

One run of quick jobs with `vram_mb=100` first, so that something was learnt of their rule, then a
run of so many of the same rule, of 3 s each, on two cores: two run, the others lack cores, and the
card has room. Wall time and CPU time of the command meanwhile, over the same with nobody there.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

HERE = Path(sys.executable).parent
BENCH = """
hardware:
  cpu_cores: 2
  ram_gb: 8
  gpus: [{name: toy, vram_gb: 4.0, simulated: true}]
"""
SNAKEFILE = """
rule all:
    input: expand("out-{pre}/{i}", pre=config["pre"], i=range(int(config["num"])))
rule job:
    output: "out-{pre}/{i}"
    params: seconds=config["seconds"]
    resources: vram_mb=100
    shell: "sleep {params.seconds}; touch {output}"
"""
GIVE_UP_S = 900
EARLIER = 3  # commands before the long run


class Took(NamedTuple):
    wall_s: float
    cpu_s: float


class Scene:
    """A folder with its own bench, state and workflow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "nvinx.yaml").write_text(BENCH)
        (folder / "Snakefile").write_text(SNAKEFILE)
        path = f"{HERE}:{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": path,
            "NVINX_STATE_DIR": str(folder / "state"),
        }
        self.environment.pop("NVINX_JOB", None)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        out = subprocess.DEVNULL
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=out, stderr=out
        )

    def workflow(self, pre: str, jobs: int, seconds: float) -> subprocess.Popen[bytes]:
        settings = (f"pre={pre}", f"num={jobs}", f"seconds={seconds}")
        options = ("--executor", "nvinx", "--cores", "2", "--jobs", "unlimited")
        return self.start("snakemake", *options, "--config", *settings)

    def command(self) -> Took:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        if self.start("nvinx", "run", "--vram", "10MB", "--", "true").wait(GIVE_UP_S):
            raise click.ClickException("the command failed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Took(time.monotonic() - begin, cpu_s)

    def waiting(self) -> int:
        words = ("nvinx", "status", "--json")
        said = subprocess.check_output(words, cwd=self.folder, env=self.environment)
        return int(json.loads(said)["waiting"])


def measure(jobs: int, before: int, times: int) -> dict[str, list[Took]]:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        if scene.workflow("before", before, 0).wait(GIVE_UP_S):
            raise click.ClickException("the first run failed")
        for _ in range(EARLIER):
            scene.command()
        idle = [scene.command() for _ in range(times)]
        long_run = scene.workflow("long", jobs, 3)
        try:
            while scene.waiting() < jobs / 2:
                time.sleep(0.5)
            return {"nobody there": idle, "beside": [scene.command() for _ in range(times)]}
        finally:
            long_run.terminate()
            long_run.wait()


@click.command()
@click.option("--jobs", default=1000, show_default=True)
@click.option("--before", default=400, show_default=True)
@click.option("--times", default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(jobs: int, before: int, times: int, as_json: bool) -> None:
    """A small wish beside a long queue."""
    found = measure(jobs, before, times)
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table(title=f"nvinx run --vram 10MB -- true, while {jobs} jobs lack cores")
    for column in ("", *found, "ratio", "longest"):
        table.add_column(column, justify="right")
    for n, what in enumerate(("wall, s", "CPU, s")):
        idle, beside = (statistics.median(took[n] for took in some) for some in found.values())
        longest = max(took[n] for took in found["beside"])
        cells = (f"{idle:.3f}", f"{beside:.3f}", f"{beside / idle:.2f}", f"{longest:.3f}")
        table.add_row(what, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
