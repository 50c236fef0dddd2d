"""Many one-line CPU jobs: `--executor nvinx` against stock `--cores`, both in one go.

    python benchmarks/thousand_jobs.py [--jobs 1000] [--cores 2] [--repeat 1] [--json]

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


@click.command()
@click.option("--jobs", default=1000, help="How many jobs.")
@click.option("--cores", default=2, help="How many cores.")
@click.option("--repeat", default=1, help="How often; both sides alternate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(jobs: int, cores: int, repeat: int, as_json: bool) -> None:
    """Wall time of N one-line jobs under stock Snakemake and under nvinx."""
    stock, nvinx = [], []
    for _ in range(repeat):
        stock.append(seconds(jobs, ["--cores", str(cores)]))
        options = ["--executor", "nvinx", "--jobs", str(jobs), "--cores", str(cores)]
        nvinx.append(seconds(jobs, options))
    ratio = sum(nvinx) / sum(stock)
    if as_json:
        print(json.dumps({"jobs": jobs, "stock_s": stock, "nvinx_s": nvinx, "ratio": ratio}))
        return
    table = Table(title=f"{jobs} one-line jobs on {cores} cores, wall time")
    for column in ("stock --cores (s)", "--executor nvinx (s)", "nvinx / stock"):
        table.add_column(column, justify="right")
    for a, b in zip(stock, nvinx, strict=True):
        table.add_row(f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}")
    Console().print(table)
    print(f"ratio over all rounds: {ratio:.2f}")


if __name__ == "__main__":
    main()
