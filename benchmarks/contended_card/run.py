"""One card that everybody wants: stock Snakemake against nvinx, one after the other in one go.

    python benchmarks/contended_card/run.py [--set cool|hot] [--copies 1|2] [--json]

A 4000 MB card that is a file; 1 exclusive job of 20 s (3500 MB), 6 CPU jobs of 5 s, 4 small GPU
jobs of 3 s (900 MB); jobs sleep, so the machine's own cores do not matter. The span is from the
first start to the last end. No policy can do better than 23 s where small jobs share well ("cool").
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
BENCH = "hardware: {cpu_cores: 8, gpus: [{name: the card, vram_gb: 4.0, simulated: true}]}\n"
HOT = "2.0"
JOBS = 11
RUNS = {
    "stock, gpu=1": ["--cores", "8", "--resources", "gpu=1", "--config", "rules=gpu"],
    "stock, vram_mb": ["--cores", "8", "--resources", "vram_mb=4000", "--config", "rules=vram"],
    "nvinx": ["--executor", "nvinx", "--jobs", "100", "--cores", "8", "--config", "rules=nvinx"],
}


def start(folder: Path, number: int, arguments: list[str], kind: str) -> subprocess.Popen[bytes]:
    """Start one copy of the workflow; all copies share the card's file and the state folder."""
    work = folder / f"copy{number}"
    shutil.copytree(HERE, work)
    (work / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
    environ = {
        **os.environ,
        "FAKE_CARD": str(folder / "card.json"),
        "FAKE_CARD_COPY": f".{number}",
        "FAKE_CARD_HOT": HOT if kind == "hot" else "0",
        "NVINX_STATE_DIR": str(folder / "state"),
    }
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--keep-going", *arguments]
    command += [f"python={sys.executable}"]
    with open(folder / f"log{number}", "wb") as log:
        return subprocess.Popen(command, cwd=work, env=environ, stdout=log, stderr=log)


def run(arguments: list[str], kind: str, copies: int) -> dict[str, float]:
    """Span in seconds, jobs that succeeded, out-of-memory failures, workflows that succeeded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies_running = [start(folder, n, arguments, kind) for n in range(copies)]
        statuses = [process.wait() for process in copies_running]
        log = json.loads((folder / "card.json").read_text(encoding="utf-8"))["log"]
    times = [at for at, what, _ in log if what != "oom"]
    return {
        "span_s": max(times) - min(times),
        "succeeded": sum(what == "end" for _, what, _ in log),
        "out_of_memory": sum(what == "oom" for _, what, _ in log),
        "workflows_succeeded": statuses.count(0),
    }


@click.command()
@click.option("--set", "kind", type=click.Choice(["cool", "hot"]), default="cool")
@click.option("--copies", default=1, help="How many copies of the workflow start together.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(kind: str, copies: int, as_json: bool) -> None:
    """Spans and out-of-memory failures of stock Snakemake and of nvinx."""
    results = {name: run(arguments, kind, copies) for name, arguments in RUNS.items()}
    if as_json:
        print(json.dumps({"set": kind, "copies": copies, "results": results}))
        return
    table = Table(title=f"contended card, {kind} set, {copies} at once")
    table.add_column("run")
    for column in ("span (s)", "jobs done", "out of memory", "nvinx span / this"):
        table.add_column(column, justify="right")
    for name, result in results.items():
        done = f"{result['succeeded']:.0f} of {JOBS * copies}"
        whole = result["succeeded"] == JOBS * copies
        ratio = f"{results['nvinx']['span_s'] / result['span_s']:.2f}" if whole else "lost jobs"
        oom = f"{result['out_of_memory']:.0f}"
        table.add_row(name, f"{result['span_s']:.1f}", done, oom, ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
