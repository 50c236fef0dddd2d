"""One card under Nextflow, with and without nvinx, and under Snakemake.

    python benchmarks/nextflow/run.py [--rounds N] [--only NAME ...] [--json]

The workload of the contended card: 1 exclusive task of 20 s (3500 MB), 6 CPU tasks of 5 s, 4 small
GPU tasks of 3 s (900 MB), on 4 CPUs; they sleep, so the machine's own cores do not matter. The span
is from the first start to the last end; no policy can do better than 23 s. `cpu` is when the last
CPU task began. Nextflow is the one on PATH, or that of `make nextflow`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTENDED = HERE.parent / "contended_card"
CPUS = "4"
JOBS = 11
BENCH = "hardware: {cpu_cores: 4, gpus: [{name: the card, vram_gb: 4.0, simulated: true}]}\n"
SETTINGS = f"""
process {{ cpus = 1; errorStrategy = 'ignore' }}
executor {{ cpus = {CPUS}; queueSize = {CPUS} }}
poolSize = 8
"""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nvinx-tests/nextflow"
NVINX_CONFIG = "nvinx.local.config"


@dataclass(frozen=True)
class Contender:
    """One way to run it. config: of Nextflow; Snakemake where there is none."""

    name: str
    label: str
    config: str | None = None
    plugin: bool = False


CONTENDERS = (
    Contender("snakemake", "Snakemake with nvinx"),
    Contender("plugin", "Nextflow, guard and plugin", NVINX_CONFIG, plugin=True),
    Contender("guard", "Nextflow, guard only", NVINX_CONFIG),
    Contender("maxforks", "Nextflow, maxForks = 1, no nvinx", str(HERE / "one_at_a_time.config")),
)


def nextflow() -> str:
    """The program that is Nextflow."""
    found = shutil.which("nextflow", path=f"{os.environ['PATH']}:{CACHE}")
    if found is None:
        raise click.ClickException("there is no Nextflow. Fix: make nextflow")
    return found


def environment(folder: Path) -> dict[str, str]:
    """What a run sees: a card and a state folder of its own."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FAKE_CARD": str(folder / "card.json"),
        "NVINX_STATE_DIR": str(folder / "state"),
        "NXF_HOME": str(folder / "home"),
        "FOLDER": str(folder),
    }


def command(contender: Contender, environ: dict[str, str]) -> list[str]:
    card = str(CONTENDED / "card.py")
    if contender.config is None:
        snakemake = [sys.executable, "-m", "snakemake", "-s", str(CONTENDED / "Snakefile"), "-q"]
        options = [
            "--cores",
            CPUS,
            "--executor",
            "nvinx",
            "--jobs",
            "100",
            "--nvinx-bench",
            "nvinx.yaml",
        ]
        return [*snakemake, *options, "--config", "rules=gpu-and-vram", f"python={sys.executable}"]
    words = ["run", str(HERE / "main.nf"), "-c", "settings.config", "-c", contender.config]
    words += ["--python", sys.executable, "--card", card]
    return [nextflow(), *words, *configured(contender, environ)]


def configured(contender: Contender, environ: dict[str, str]) -> list[str]:
    """Write nvinx's configuration as a user does, and say which plugin is wanted."""
    more = plugin(environ) if contender.plugin else []
    if contender.config == NVINX_CONFIG:
        words = ["nvinx", "nextflow", "config", *more]
        subprocess.run(words, env=environ, check=True, capture_output=True, cwd=environ["FOLDER"])
    return more


def plugin(environ: dict[str, str]) -> list[str]:
    """Install the plugin, and say that it is wanted."""
    words = ["nvinx", "nextflow", "install-plugin"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr.strip())
    return ["-plugins", done.stdout.split("-plugins ")[1].split()[0]]


def run(contender: Contender, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    (folder / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
    (folder / "settings.config").write_text(SETTINGS, encoding="utf-8")
    environ = environment(folder)
    with (folder / "said").open("w", encoding="utf-8") as said:
        words = command(contender, environ)
        subprocess.run(words, cwd=folder, env=environ, stdout=said, stderr=said, check=False)
    return outcome(folder)


def outcome(folder: Path) -> dict[str, Any]:
    card = folder / "card.json"
    log = json.loads(card.read_text(encoding="utf-8"))["log"] if card.exists() else []
    if not log:
        raise click.ClickException((folder / "said").read_text(encoding="utf-8"))
    first = min(at for at, *_ in log)
    cpu = [at for at, what, name in log if what == "start" and name.startswith("cpu")]
    return {
        "span_s": round(max(at for at, *_ in log) - first, 1),
        "last_cpu_start_s": round(max(cpu) - first, 1),
        "succeeded": sum(what == "end" for _, what, _ in log),
        "out_of_memory": sum(what == "oom" for _, what, _ in log),
    }


def show(results: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(title="one card, 11 tasks, 4 CPUs")
    for column in ("", "span s", "last CPU task began s", "tasks done", "to Snakemake"):
        table.add_column(column)
    base = [one["span_s"] for one in results.get("snakemake", [])]
    for contender in CONTENDERS:
        found = results.get(contender.name, [])
        if found:
            ratio = sum(one["span_s"] for one in found) / sum(base) if base else None
            table.add_row(
                contender.label,
                *(", ".join(str(one[k]) for one in found) for k in ("span_s", "last_cpu_start_s")),
                ", ".join(f"{one['succeeded']} of {JOBS}" for one in found),
                "" if ratio is None else f"{ratio:.2f}",
            )
    Console(width=110).print(table)


@click.command()
@click.option("--rounds", default=1, help="How often, in turn.")
@click.option("--only", multiple=True, type=click.Choice([one.name for one in CONTENDERS]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, only: tuple[str, ...], as_json: bool) -> None:
    """Nextflow with and without nvinx, beside Snakemake, on one card."""
    chosen = [one for one in CONTENDERS if not only or one.name in only]
    results: dict[str, list[dict[str, Any]]] = {one.name: [] for one in chosen}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as base:
            for contender in chosen:
                click.echo(f"round {number + 1} of {rounds}: {contender.label}", err=True)
                results[contender.name].append(run(contender, Path(base) / contender.name))
    if as_json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == "__main__":
    main()
