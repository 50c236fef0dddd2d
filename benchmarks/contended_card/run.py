"""One card that everybody wants: stock Snakemake, its peers and nvinx, one after the other.

    python benchmarks/contended_card/run.py [--set cool|hot|both] [--rounds N] [--only NAME ...]
        [--copies N] [--actual-mb MB] [--json [FILE]] [--plot FILE] [--from FILE]

A 4000 MB card that is a file; 1 exclusive job of 20 s (3500 MB), 6 CPU jobs of 5 s, 4 small GPU
jobs of 3 s (900 MB); jobs sleep, so the machine's own cores do not matter. The span is from the
first start to the last end. No policy can do better than 23 s where small jobs share well ("cool":
20 + 3), nor than 32 s where they thrash each other ("hot": 20 + 4 * 3). With `--actual-mb 1500` the
small jobs take more than the 900 MB that they declare. In the hot set nvinx's bench file holds the
slowdown of two small jobs side by side; the others have no use for it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from contenders import CONTENDERS, HERE, Contender
from nvidia_smi import use
from report import draw, show

HOT = "2.0"
LOWER_BOUND_S = {"cool": 23.0, "hot": 32.0}
JOBS = 11
NAMES = [contender.name for contender in CONTENDERS]


def environment(contender: Contender, folder: Path, state: Path, kind: str) -> dict[str, str]:
    """What all copies of one run see: one card, one state folder."""
    environ = {
        **os.environ,
        "FAKE_CARD": str(folder / "card.json"),
        "FAKE_CARD_HOT": HOT if kind == "hot" else "0",
        "NVINX_STATE_DIR": str(state),
        **contender.environ,
    }
    return use(folder / "bin", environ)


def start(
    contender: Contender, work: Path, environ: Mapping[str, str], kind: str, actual_mb: int
) -> subprocess.Popen[bytes]:
    """Start one copy of the workflow in a folder of its own."""
    work.mkdir()
    for name in ("Snakefile", "card.py"):
        shutil.copy(HERE / name, work)
    if kind in contender.bench:
        (work / "nvinx.yaml").write_text(contender.bench[kind], encoding="utf-8")
    command = contender.command(Path(environ["NVINX_STATE_DIR"]), actual_mb)
    environ = {**environ, "FAKE_CARD_COPY": f".{work.name}"}
    with open(work / "said", "wb") as said:
        return subprocess.Popen(command, cwd=work, env=environ, stdout=said, stderr=said)


def outcome(folder: Path, statuses: list[int]) -> dict[str, Any]:
    """Span in seconds, jobs that succeeded, out-of-memory failures, workflows that succeeded."""
    card = folder / "card.json"
    log = json.loads(card.read_text(encoding="utf-8"))["log"] if card.exists() else []
    times = [at for at, what, _ in log if what != "oom"]
    if not times:
        said = (folder / "copy0" / "said").read_text(encoding="utf-8").split("\n")
        return {"note": f"started no job: {next(filter(None, reversed(said)), 'said nothing')}"}
    return {
        "span_s": round(max(times) - min(times), 2),
        "succeeded": sum(what == "end" for _, what, _ in log),
        "out_of_memory": sum(what == "oom" for _, what, _ in log),
        "workflows_succeeded": statuses.count(0),
    }


def run(contender: Contender, base: Path, kind: str, copies: int, actual_mb: int) -> dict[str, Any]:
    """Start so many copies together, and wait for them; a note where it cannot run."""
    if note := contender.missing():
        return {"note": note}
    folder, state = base / contender.name, contender.state_folder(base)
    folder.mkdir()
    environ = environment(contender, folder, state, kind)
    running = [
        start(contender, folder / f"copy{n}", environ, kind, actual_mb) for n in range(copies)
    ]
    return outcome(folder, [process.wait() for process in running])


def measure(
    kind: str, only: tuple[str, ...], rounds: int, copies: int, actual_mb: int
) -> dict[str, Any]:
    """All runs of one set, so many times in turn."""
    chosen = [contender for contender in CONTENDERS if not only or contender.name in only]
    results: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in chosen}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as base:
            for contender in chosen:
                click.echo(
                    f"{kind} set, round {number + 1} of {rounds}: {contender.label}", err=True
                )
                result = run(contender, Path(base), kind, copies, actual_mb)
                results[contender.name].append(result)
    return {
        **{"set": kind, "copies": copies, "actual_mb": actual_mb, "jobs": JOBS * copies},
        **{"lower_bound_s": LOWER_BOUND_S[kind] * copies, "results": results},
    }


def versions() -> dict[str, str]:
    """Versions of what takes part and is installed."""
    found = {"python": sys.version.split()[0]}
    for package in dict.fromkeys(contender.package for contender in CONTENDERS):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def finish(measured: dict[str, Any], as_json: str | None, plot: str | None) -> None:
    """Write what was asked for; tables unless JSON goes to the terminal."""
    text = json.dumps(measured, indent=1)
    if as_json == "-":
        print(text)
    else:
        for one in measured["sets"]:
            show(one)
    if as_json and as_json != "-":
        Path(as_json).write_text(text + "\n", encoding="utf-8")
    if plot:
        draw(measured["sets"], plot)


@click.command()
@click.option("--set", "kind", type=click.Choice(["cool", "hot", "both"]), default="cool")
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Just this run; repeatable.")
@click.option("--rounds", default=1, help="How often; all runs take turns.")
@click.option("--copies", default=1, help="How many copies of the workflow start together.")
@click.option("--actual-mb", default=900, help="What a small job takes; it declares 900.")
@click.option("--json", "as_json", is_flag=False, flag_value="-", help="Print JSON, or write FILE.")
@click.option("--plot", metavar="FILE", help="Draw the spans, as SVG or PNG by the file's name.")
@click.option("--from", "stored", metavar="FILE", help="Show JSON from earlier; run nothing.")
def main(kind: str, as_json: str | None, plot: str | None, stored: str | None, **how: Any) -> None:
    """Spans and out-of-memory failures of stock Snakemake, of its peers and of nvinx."""
    if stored:
        finish(json.loads(Path(stored).read_text(encoding="utf-8")), as_json, plot)
        return
    kinds = ["cool", "hot"] if kind == "both" else [kind]
    sets = [measure(one, **how) for one in kinds]
    said = {"date": date.today().isoformat(), "versions": versions(), "sets": sets}
    finish(said, as_json, plot)


if __name__ == "__main__":
    main()
