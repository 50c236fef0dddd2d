"""A small wish beside a long queue: `nvinx run --vram 10MB -- true` while 1,000 jobs lack cores.

    python benchmarks/newcomer.py [--jobs 1000] [--before 400] [--times 10] [--json]

One run of quick jobs with `vram_mb=100` first, so that something was learnt of their rule, then a
run of so many of the same rule, of 3 s each, on two cores: two run, the others lack cores, and the
card has room. Wall time and CPU time of the command meanwhile, over the same with nobody there.
"""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from scene import GIVE_UP_S, Scene

if TYPE_CHECKING:
    import subprocess

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
EARLIER = 3  # commands before the long run


class Took(NamedTuple):
    wall_s: float
    cpu_s: float


class Bench(Scene):
    """Runs of many jobs, and a small wish beside them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, BENCH)
        (folder / "Snakefile").write_text(SNAKEFILE)

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


def measure(jobs: int, before: int, times: int) -> dict[str, list[Took]]:
    with tempfile.TemporaryDirectory() as folder:
        scene = Bench(Path(folder))
        if scene.workflow("before", before, 0).wait(GIVE_UP_S):
            raise click.ClickException("the first run failed")
        for _ in range(EARLIER):
            scene.command()
        idle = [scene.command() for _ in range(times)]
        long_run = scene.workflow("long", jobs, 3)
        try:
            while scene.status()["waiting"] < jobs / 2:
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
