"""A job that waits for the card loads its weights: read ahead meanwhile, or not, in one go.

    python benchmarks/staging.py [--mib 1024] [--hold 5] [--repeat 3] [--folder DIR] [--json]

Under real Snakemake one job holds a simulated card, and one behind it loads a file: safetensors
where that package is installed, else raw bytes. Before each run the file is put out of the page
cache, as `fincore` (util-linux) confirms. Sides alternate: staging off, on, and with NIXL where it
is installed. The loading job times itself, so neither Snakemake nor Python's start is in its time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from nvinx.calibration.bandwidth import drop_pages
from nvinx.staging.process import has_nixl

MIB = 1 << 20
BENCH = "hardware:\n  gpus: [{name: card, vram_gb: 4.0, simulated: true}]\n"
SNAKEFILE = """
rule all:
    input: "held.txt", "loaded.json"

rule hold:
    output: "held.txt"
    resources: gpu=1
    priority: 1
    shell: "sleep {hold_s}; echo held > {{output}}"

rule load:
    input: "weights"
    output: "loaded.json"
    resources: gpu=1
    shell: "{python} load.py {{input}} {{output}}"
"""
LOAD = """
import json, sys, time
from pathlib import Path
try:
    from safetensors.numpy import load_file as load
except ImportError:
    def load(path):
        return Path(path).read_bytes()
begin = time.monotonic()
load(sys.argv[1])
Path(sys.argv[2]).write_text(json.dumps(time.monotonic() - begin))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds that the waiting job loaded, and that the whole run took; what was in the cache."""

    load_s: float
    whole_s: float
    resident_share: float | None


def make(path: Path, mib: int) -> str:
    """A file of random weights; returns what kind it is."""
    if importlib.util.find_spec("safetensors") is None:
        with path.open("wb") as file:
            for _ in range(mib):
                file.write(os.urandom(MIB))
        return "raw bytes"
    import numpy as np
    from safetensors.numpy import save_file

    chance = np.random.default_rng(1)
    layers = {f"layer{n}": chance.bytes(64 * MIB) for n in range(mib // 64)}
    save_file({name: np.frombuffer(some, np.float16) for name, some in layers.items()}, path)
    return "safetensors"


def drop(path: Path) -> float | None:
    """Put the file out of the page cache; the share of it that stayed, None without fincore."""
    drop_pages(path)
    if shutil.which("fincore") is None:
        return None
    words = ["fincore", "--bytes", "--noheadings", "--raw", "--output", "RES", path]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return int(said or 0) / path.stat().st_size


def run(folder: Path, side: str) -> Run:
    """One run of the workflow; raises CalledProcessError when it fails."""
    for name in ("held.txt", "loaded.json"):
        (folder / name).unlink(missing_ok=True)
    share = drop(folder / "weights")
    command = [sys.executable, "-m", "snakemake", "--executor", "nvinx", "--cores", "2"]
    command += ["--jobs", "9", "--nvinx-bench", "nvinx.yaml", "--nvinx-stage", side]
    environ = {**os.environ, "NVINX_STATE_DIR": str(folder / "state")}
    begin = time.monotonic()
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    whole_s = time.monotonic() - begin
    return Run(json.loads((folder / "loaded.json").read_text()), whole_s, share)


def measure(folder: Path, sides: list[str], repeat: int) -> dict[str, list[Run]]:
    """Runs by side; the sides alternate."""
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for number in range(repeat):
        for side in sides:
            runs[side].append(run(folder, side))
            done = runs[side][-1]
            said = f"load {done.load_s:.2f} s, whole {done.whole_s:.1f} s"
            click.echo(f"round {number + 1} of {repeat}, staging {side}: {said}", err=True)
    return runs


def show(runs: dict[str, list[Run]], title: str) -> None:
    table = Table(title=title)
    for column in ("staging", "load (s)", "whole (s)", "load, off / this", "whole, this / off"):
        table.add_column(column, justify="right")
    cold = runs["off"]
    for side, some in runs.items():
        faster = _median(cold, "load_s") / _median(some, "load_s")
        slower = _median(some, "whole_s") / _median(cold, "whole_s")
        loads, wholes = (_listed(some, what) for what in ("load_s", "whole_s"))
        table.add_row(side, loads, wholes, f"{faster:.1f}", f"{slower:.2f}")
    Console().print(table)


def _median(runs: list[Run], what: str) -> float:
    return statistics.median(getattr(run, what) for run in runs)


def _listed(runs: list[Run], what: str) -> str:
    return ", ".join(f"{getattr(run, what):.2f}" for run in runs)


@click.command()
@click.option("--mib", default=1024, help="Size of the weights.")
@click.option("--hold", "hold_s", default=5.0, help="Seconds for which the first job has the card.")
@click.option("--repeat", default=3, help="How often; the sides alternate.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where: on the disk to measure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(mib: int, hold_s: float, repeat: int, folder: Path | None, as_json: bool) -> None:
    """Time of a load from cold and from warm, and of the whole run."""
    sides = ["off", "on", *(["nixl"] if has_nixl() else [])]
    with tempfile.TemporaryDirectory(dir=folder) as made:
        work = Path(made)
        kind = make(work / "weights", mib)
        snakefile = SNAKEFILE.format(hold_s=hold_s, python=sys.executable)
        (work / "Snakefile").write_text(snakefile, encoding="utf-8")
        (work / "load.py").write_text(LOAD, encoding="utf-8")
        (work / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
        runs = measure(work, sides, repeat)
    stayed = [run.resident_share for some in runs.values() for run in some]
    if as_json:
        print(json.dumps({side: [asdict(run) for run in some] for side, some in runs.items()}))
        return
    show(runs, f"{mib} MiB of {kind}, the card held for {hold_s:g} s")
    known = [share for share in stayed if share is not None]
    print(f"in the page cache before a run: {max(known):.1%} at most" if known else "no fincore")
    if not has_nixl():
        print("NIXL is not installed here, so it has no row.")


if __name__ == "__main__":
    main()
