"""A real Slurm of two nodes: the Slurm plugin as it comes, and nvinx on top of it.

    python benchmarks/slurm/run.py [--workload contended|short|both] [--jobs 200]
        [--side both|bare|nvinx] [--at-once 8] [--poll 1] [--json FILE] [--from FILE]

Needs Debian's `slurm-wlm` and `munge`. Each node has a 4000 MB card that is a file, cut into four
shards. `contended`: 2 exclusive jobs of 20 s (3500 MB), 12 CPU jobs of 5 s, 8 small GPU jobs of 3 s
(900 MB). `short`: so many jobs of 1 s, of twenty twelve that share, three exclusive, five without a
GPU. Jobs sleep. A GPU job that finds too little on its card fails as torch does; the run goes on.

Bare rules say `gres="shard:1"`, and `gres="gpu:1"` for a whole card; nvinx's say `vram_mb=900` and
`gpu=1`. Both sides have the same limit of jobs at once and ask Slurm every so many seconds
(`--poll`); the plugin as it comes waits ten seconds longer each time that nothing has ended, which
has no switch. What a job costs is therefore also told from Slurm's own run times: what a job took
on its node beyond what it slept.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "slurm"))

from cluster import Cluster  # noqa: E402
from programs import missing  # noqa: E402
from watch import Watch  # noqa: E402

CARD = HERE.parent / "contended_card" / "card.py"
BENCH = """\
hardware: {vram_gb: 0}
headroom_gb: 0
cluster: [{nodes: "node[1-2]", vram_gb: 4.0, card: toy}]
"""
SIDES = ("bare", "nvinx")
WORKLOADS = ("contended", "short")
CONTENDED_JOBS = 22
SLEPT_S = {"contended": (2 * 20 + 12 * 5 + 8 * 3) / CONTENDED_JOBS, "short": 1.0}
PACKAGES = ("snakemake", "snakemake-executor-plugin-slurm", "snakemake-executor-plugin-nvinx")


def executor(side: str, folder: Path, poll_s: int) -> list[str]:
    """What Snakemake is told of how to run jobs."""
    if side == "nvinx":
        words = ["--executor", "nvinx-slurm", "--nvinx-slurm-poll-seconds", str(poll_s)]
        return [*words, "--nvinx-slurm-node-state-dir", str(folder / "node-state")]
    words = ["--executor", "slurm", "--slurm-status-command", "squeue", "--slurm-no-account"]
    return [*words, "--slurm-init-seconds-before-status-checks", str(poll_s)]


def command(side: str, workload: str, folder: Path, how: dict[str, int]) -> list[str]:
    config = {"rules": side, "workload": workload, "jobs": how["jobs"]}
    config |= {"card": CARD, "python": sys.executable}
    return [
        *(sys.executable, "-m", "snakemake", "--keep-going"),
        *("--jobs", str(how["at_once"]), *executor(side, folder, how["poll"])),
        *("--config", *(f"{key}={value}" for key, value in config.items())),
    ]


def environment(cluster: Cluster, folder: Path) -> dict[str, str]:
    """This one's, with the cluster's tools; the jobs' Snakemake is the one that runs this."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("NVINX_", "SLURM"))}
    environ |= cluster.environment
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    environ["NVINX_STATE_DIR"] = str(folder / "state")
    return environ


def out_of_memory(folder: Path) -> int:
    """How often a job found too little on its card."""
    logs = [json.loads(card.read_text(encoding="utf-8"))["log"] for card in folder.glob("*.card")]
    return sum(what == "oom" for log in logs for _, what, _ in log)


def measure(side: str, workload: str, how: dict[str, int]) -> dict[str, Any]:
    """One run on a Slurm of its own."""
    with tempfile.TemporaryDirectory(prefix="nvinx-slurm-") as base:
        folder = Path(base, "work")
        folder.mkdir()
        shutil.copy(HERE / "Snakefile", folder)
        (folder / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
        words = command(side, workload, folder, how)
        with Cluster(Path(base, "slurm")) as cluster, Watch(cluster) as watch:
            begin = time.monotonic()
            done = subprocess.run(
                words,
                cwd=folder,
                env=environment(cluster, folder),
                capture_output=True,
                text=True,
                check=False,
            )
            wall_s = time.monotonic() - begin
        made = sum(1 for _ in folder.glob("out/*"))
        if not made:
            raise click.ClickException(f"{side} did no job:\n{done.stderr[-2000:]}")
        return {
            **{"wall_s": round(wall_s, 1), "done": made, "out_of_memory": out_of_memory(folder)},
            **{"ran_mean_s": watch.run_s, "slept_mean_s": round(SLEPT_S[workload], 2)},
            **{"samples": watch.samples, "over": watch.over, "beside": watch.beside},
        }


def measure_set(workload: str, sides: tuple[str, ...], how: dict[str, int]) -> dict[str, Any]:
    """One workload on each side, and its table."""
    jobs = CONTENDED_JOBS if workload == "contended" else how["jobs"]
    results = {}
    for side in sides:
        click.echo(f"{workload}, {jobs} jobs: {side}", err=True)
        results[side] = measure(side, workload, how)
    one = {"workload": workload, **how, "jobs": jobs, "results": results}
    show(one)
    return one


def row(side: str, result: dict[str, Any], jobs: int) -> list[str]:
    samples, ran_s = result["samples"], result["ran_mean_s"]
    each = f"{result['wall_s'] / jobs:.1f}", f"{ran_s - result['slept_mean_s']:.1f}"
    failed = str(result["out_of_memory"])
    counts = (f"{result[what]} of {samples}" for what in ("over", "beside"))
    wall, done = f"{result['wall_s']:.0f}", f"{result['done']} of {jobs}"
    return [side, wall, *each, done, failed, *counts]


def show(measured: dict[str, Any]) -> None:
    """Print the table of one workload, and the ratio where both sides ran."""
    jobs, results = measured["jobs"], measured["results"]
    table = Table(title=f"{measured['workload']}: {jobs} jobs on two nodes with a card each")
    for column in ("side", "wall (s)", "wall / jobs (s)", "beyond its sleep (s)", "done", "OOM"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for column in ("over-subscribed", "exclusive beside"):
        table.add_column(column, justify="right")
    for side, result in results.items():
        table.add_row(*row(side, result, jobs))
    Console(width=120).print(table)
    if len(results) == len(SIDES):
        ours, theirs = results["nvinx"], results["bare"]
        lost = "".join(
            f" ({side} lost {jobs - result['done']})"
            for side, result in results.items()
            if result["done"] < jobs
        )
        print(f"nvinx / bare, wall: {ours['wall_s'] / theirs['wall_s']:.2f}{lost}")
        cost = [each["ran_mean_s"] - each["slept_mean_s"] for each in (ours, theirs)]
        print(f"nvinx / bare, what a job takes beyond its sleep: {cost[0] / cost[1]:.2f}")


@click.command()
@click.option("--workload", type=click.Choice([*WORKLOADS, "both"]), default="both")
@click.option("--jobs", default=200, help="How many short jobs.")
@click.option("--side", type=click.Choice([*SIDES, "both"]), default="both")
@click.option("--at-once", default=8, help="Most jobs in Slurm at once, of either side.")
@click.option("--poll", default=1, help="Seconds between two looks at the jobs, of either side.")
@click.option("--json", "as_json", metavar="FILE", help="Write what was measured.")
@click.option("--from", "stored", metavar="FILE", help="Show JSON from earlier; run nothing.")
def main(workload: str, side: str, as_json: str | None, stored: str | None, **how: int) -> None:
    """Wall time, cost of a job and overbooked cards of the Slurm plugin and of nvinx on it."""
    if stored:
        for one in json.loads(Path(stored).read_text(encoding="utf-8"))["sets"]:
            show(one)
        return
    if absent := missing():
        raise click.ClickException(
            f"no {', '.join(absent)} here; apt-get install slurm-wlm munge brings a real Slurm"
        )
    workloads = WORKLOADS if workload == "both" else (workload,)
    sides = SIDES if side == "both" else (side,)
    sets = [measure_set(one, sides, how) for one in workloads]
    if as_json:
        versions = {package: version(package) for package in PACKAGES}
        said = {"date": date.today().isoformat(), "versions": versions, "sets": sets}
        Path(as_json).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
