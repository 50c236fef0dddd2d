"""An urgent job beside a long one on one card: Slurm's own preemption, and nvinx's, round by round.

    python benchmarks/slurm/preemption.py [--rounds 10] [--seed 0] [--json FILE] [--from FILE]

Needs Debian's `slurm-wlm` and `munge`. A long job of 12 s holds the card, and an urgent one of 2 s
is submitted at a random moment of its first two thirds. Slurm has two partitions, with
PreemptType=preempt/partition_prio and PreemptMode=REQUEUE; nvinx is `nvinx run --preemptible` and
`nvinx run --urgent` on a simulated card. requeue: the long job begins anew. signal: it is told, has
30 s (GraceTime), saves its work and goes on from there.

Each round of nvinx begins with an empty history. It would learn how short this long job is, and
that preempting it loses more than it saves.

A job that ends in its GraceTime counts as done in Slurm. So there the long one's script says
`scontrol requeue` where its program has saved its work, which nvinx needs nobody to say.

wait: from the urgent job's submission to its first line. back: from its end to the long job's
first line. lost: work that was done twice. idle: for how much longer the long job took in all than
its work, what was lost of it and the urgent job.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "slurm"))

from cluster import Cluster  # noqa: E402
from programs import missing  # noqa: E402
from slurm_conf import Node  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WORK_S, URGENT_S, GRACE_S = 12.0, 2.0, 30
GIVE_UP_S = 300.0
HOW = ("requeue", "signal")
SIDES = ("slurm", "nvinx")
LONG = f"{sys.executable} {HERE / 'long_job.py'}"
BENCH = "hardware: {cpu_cores: 8, ram_gb: 4, vram_gb: 4, simulated: true}\n"
CARD = (Node("node1", shards=0),)


@dataclass(frozen=True, slots=True)
class Preempted:
    """What one round took, in seconds; see the head of this file."""

    wait_s: float
    back_s: float
    lost_s: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class Side:
    """How jobs are submitted; each returns once that is done, and not when the job is over."""

    long: Callable[[Path], object]
    urgent: Callable[[Path], object]


def partitions(how: str) -> tuple[str, ...]:
    """What the cluster's configuration says of preemption."""
    grace = f" GraceTime={GRACE_S}" if how == "signal" else ""
    return (
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        f"PartitionName=long Nodes=ALL PriorityTier=1{grace}",
        "PartitionName=urgent Nodes=ALL PriorityTier=10",
    )


def urgent_job(folder: Path) -> str:
    """A shell command: it notes when it begins and when it ends."""
    note = f"date +%s.%N >> {folder / 'urgent'}"
    return f"{note}; sleep {URGENT_S}; {note}"


@contextmanager
def on_slurm(base: Path, how: str) -> Iterator[Side]:
    def long(folder: Path) -> None:
        command = f"exec {LONG} {folder} {WORK_S}"
        if how == "signal":  # only what srun starts is told before the end of the GraceTime
            command = f"srun {LONG} {folder} {WORK_S} TERM || scontrol requeue $SLURM_JOB_ID"
        cluster.submit(command, "--partition=long", "--gres=gpu:1", "--requeue")

    def urgent(folder: Path) -> None:
        cluster.submit(urgent_job(folder), "--partition=urgent", "--gres=gpu:1")

    with Cluster(base / "slurm", CARD, more=partitions(how)) as cluster:
        yield Side(long, urgent)
        cluster.clear()


@contextmanager
def under_nvinx(base: Path, how: str) -> Iterator[Side]:
    (base / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("NVINX_", "SLURM"))}
    started = []

    def run(folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "nvinx", "run", "--quiet", *words]
        more = {"NVINX_STATE_DIR": str(folder / "state")}
        started.append(subprocess.Popen(command, cwd=base, env=environ | more))

    def long(folder: Path) -> None:
        told_by = ["USR1"] if how == "signal" else []
        agreed = f"signal:USR1@{GRACE_S}" if how == "signal" else "requeue"
        words = [*LONG.split(), str(folder), str(WORK_S), *told_by]
        run(folder, "--preemptible", agreed, "--", *words)

    def urgent(folder: Path) -> None:
        run(folder, "--urgent", "--", "sh", "-c", urgent_job(folder))

    try:
        yield Side(long, urgent)
        for process in started:
            process.wait(GIVE_UP_S)
    finally:
        for process in started:
            process.terminate()


RUNS_ON = {"slurm": on_slurm, "nvinx": under_nvinx}


def await_file(path: Path, is_enough: Callable[[str], bool] = bool) -> str:
    """What stands in a file once there is enough. Raises ClickException after some minutes."""
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if is_enough(text):
            return text
        time.sleep(0.02)
    raise click.ClickException(f"{path} did not come within {GIVE_UP_S:g} s")


def has_ended(text: str) -> bool:
    return bool(text) and json.loads(text)["end"] is not None


def one_round(side: Side, folder: Path, after_s: float) -> Preempted:
    """after_s: how long the long job has run when the urgent one is submitted."""
    side.long(folder)
    began = json.loads(await_file(folder / "try0.json"))["start"]
    time.sleep(max(began + after_s - time.time(), 0.0))
    submitted = time.time()
    side.urgent(folder)
    starts, ends = map(float, await_file(folder / "urgent", lambda t: t.count("\n") == 2).split())
    again = json.loads(await_file(folder / "try1.json", has_ended))
    first = json.loads((folder / "try0.json").read_text(encoding="utf-8"))
    lost_s = first["done_s"] - again["before_s"]
    took_s = again["end"] - first["start"]
    idle_s = took_s - WORK_S - lost_s - (ends - starts)
    return Preempted(starts - submitted, again["start"] - ends, lost_s, idle_s)


def measure(how: str, moments: Sequence[float]) -> dict[str, Any]:
    """Round by round both sides in turn, so that other work on the machine meets both."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with ExitStack() as stack:
        bases, jobs = {}, {}
        for side in SIDES:
            bases[side] = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nvinx-")))
            jobs[side] = stack.enter_context(RUNS_ON[side](bases[side], how))
        for number, (after_s, side) in enumerate(product(moments, SIDES)):
            folder = bases[side] / f"round{number}"
            folder.mkdir()
            found[side].append(asdict(one_round(jobs[side], folder, after_s)))
            click.echo(f"{how}, {side}: {found[side][-1]}", err=True)
    return {"how": how, "results": found}


def show(measured: dict[str, Any]) -> None:
    """The table of one kind of preemption, and the ratios of what urgent and long jobs wait."""
    how, results = measured["how"], measured["results"]
    rounds = len(results["nvinx"])
    table = Table(title=f"{how}: {rounds} rounds, median and worst")
    table.add_column("side")
    kinds = ("wait_s", "back_s", "lost_s", "idle_s")
    for kind in kinds:
        table.add_column(f"{kind.removesuffix('_s')} (s)", justify="right")
    for side, found in results.items():
        cells = [[one[kind] for one in found] for kind in kinds]
        table.add_row(side, *(f"{median(cell):.2f}, {max(cell):.2f}" for cell in cells))
    Console(width=100).print(table)
    for kind, what in (("wait_s", "the urgent job's wait"), ("idle_s", "the card's idle time")):
        ours, theirs = (median(one[kind] for one in results[side]) for side in ("nvinx", "slurm"))
        print(f"nvinx / Slurm, {what}: {ours / theirs:.2f}")


@click.command()
@click.option("--rounds", default=10)
@click.option("--seed", default=0, help="Of the moments at which the urgent jobs come.")
@click.option("--json", "as_json", metavar="FILE", help="Write what was measured.")
@click.option("--from", "stored", metavar="FILE", help="Show JSON from earlier; run nothing.")
def main(rounds: int, seed: int, as_json: str | None, stored: str | None) -> None:
    """How long an urgent job waits for the card of a long one, and what that costs."""
    if stored:
        for one in json.loads(Path(stored).read_text(encoding="utf-8"))["sets"]:
            show(one)
        return
    if absent := missing():
        raise click.ClickException(
            f"no {', '.join(absent)} here; apt-get install slurm-wlm munge brings a real Slurm"
        )
    draw = random.Random(seed)
    moments = [draw.uniform(1.0, WORK_S * 2 / 3) for _ in range(rounds)]
    sets = [measure(how, moments) for how in HOW]
    for one in sets:
        show(one)
    if as_json:
        said = {"date": date.today().isoformat(), "seed": seed, "sets": sets}
        Path(as_json).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
