"""One card that everybody wants: stock Snakemake against nvinx, one after the other in one go.

    python benchmarks/contended_card/run.py [--set cool|hot] [--copies N] [--actual-mb MB] [--json]

A 4000 MB card that is a file; 1 exclusive job of 20 s (3500 MB), 6 CPU jobs of 5 s, 4 small GPU
jobs of 3 s (900 MB); jobs sleep, so the machine's own cores do not matter. The span is from the
first start to the last end. No policy can do better than 23 s where small jobs share well ("cool":
20 + 3), nor than 32 s where they thrash each other ("hot": 20 + 4 * 3). With `--actual-mb 1500` the
small jobs take more than the 900 MB that they declare. In the hot set nvinx's bench file holds the
slowdown of two small jobs side by side; stock Snakemake has no use for it.
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
BENCH = """\
hardware: {cpu_cores: 8, gpus: [{name: the card, vram_gb: 4.0, simulated: true}]}
models: [{name: small, vram_gb: 0.9, residency: gpu_shared}]
"""
# What a calibration of the hot card would have measured: beside one other, three times as slow.
CALIBRATED = "interference: {pairs: [{a: small, b: small, slowdown_a: 3, slowdown_b: 3}]}\n"
HOT = "2.0"
LOWER_BOUND_S = {"cool": 23.0, "hot": 32.0}
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
    bench = BENCH + (CALIBRATED if kind == "hot" else "")
    (work / "nvinx.yaml").write_text(bench, encoding="utf-8")
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
@click.option("--actual-mb", default=900, help="What a small job takes; it declares 900.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(kind: str, copies: int, actual_mb: int, as_json: bool) -> None:
    """Spans and out-of-memory failures of stock Snakemake and of nvinx."""
    extra = f"actual_mb={actual_mb}"
    results = {name: run([*args, extra], kind, copies) for name, args in RUNS.items()}
    bound_s = LOWER_BOUND_S[kind] * copies
    said = {"set": kind, "copies": copies, "actual_mb": actual_mb, "lower_bound_s": bound_s}
    if as_json:
        print(json.dumps({**said, "results": results}))
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
    print(f"lower bound: {bound_s:.1f} s")


if __name__ == "__main__":
    main()
