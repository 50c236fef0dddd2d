"""Many programs that contend for leases of one card: how long asking takes, and whether it is safe.

    python benchmarks/leases.py [--processes 16] [--rounds 100000] [--state-dir DIR] [--json]

Each process asks for a random share of a simulated card of 4000 MB, holds it for some 25 ms, gives
it back and thinks for some 150 ms. Asking is one call of `LeaseClient.acquire`, as in `nvinx.lease`
and `nvinx run`; a call that found room at once is counted apart from one that stood in line.
Whether the card is ever overbooked is told by a sum of its own that knows nothing of nvinx: added
to after a lease is given, taken from before it is given back.
The jobs are of no kind, so nothing is learned of them: this measures the ledger, not the policy.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import random
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from nvinx.bench.capacity import Card
from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.leases.client import HeldLease, LeaseClient
from nvinx.sizes import capacity_from_gb, need_from_mb

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.sharedctypes import Synchronized

CARD_MB = 4000
LEAST_MB, MOST_MB = 100, 900
HOLD_S, THINK_S = 0.05, 0.3  # at most; half of it on average
TOLD_EVERY_S = 10.0
NAME = "share"
CARD = Card(
    id="simulated-0",
    index=0,
    name="card",
    total_mib=capacity_from_gb(CARD_MB / 1000),
    simulated=True,
)

Times = dict[str, list[float]]


class Truth:
    """How much of the card is taken, whatever nvinx believes; shared by all processes."""

    def __init__(self) -> None:
        self.held_mb: Synchronized[int] = mp.Value("q", 0)
        self.most_mb: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]
        self.overbookings: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]
        self.rounds: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]

    def take(self, mb: int) -> None:
        with self.held_mb.get_lock():
            self.held_mb.value += mb
            self.overbookings.value += self.held_mb.value > CARD_MB
            self.most_mb.value = max(self.most_mb.value, self.held_mb.value)

    def leave(self, mb: int) -> None:
        with self.held_mb.get_lock():
            self.held_mb.value -= mb
            self.rounds.value += 1


def ask(client: LeaseClient, mb: int, times: Times) -> HeldLease:
    """One lease; the time goes to those that found room, or to those that stood in line."""
    claim = Claim(residency=Residency.GPU_SHARED, vram_mib=need_from_mb(mb), cores=0)
    looks: list[object] = []
    begin = time.monotonic()
    held = client.acquire(claim, NAME, looks.append)
    times["in line" if looks else "room"].append(time.monotonic() - begin)
    return held


def contend(state: Path, seed: int, rounds: int, truth: Truth, results: SimpleQueue[Times]) -> None:
    """One process's rounds."""
    chance = random.Random(seed)
    bench = Bench(cards=(CARD,), cores=1, ram_mib=0, models={}, origins={})
    times: Times = {"room": [], "in line": [], "release": []}
    with LeaseClient(bench, state) as client:
        for _ in range(rounds):
            mb = chance.randint(LEAST_MB, MOST_MB)
            held = ask(client, mb, times)
            truth.take(mb)
            time.sleep(chance.uniform(0, HOLD_S))
            truth.leave(mb)
            begin = time.monotonic()
            client.release(held)
            times["release"].append(time.monotonic() - begin)
            time.sleep(chance.uniform(0, THINK_S))
    results.put(times)


def storm(state: Path, processes: int, rounds: int) -> dict[str, Any]:
    """All processes at once, `rounds` in all; times in seconds."""
    truth, results = Truth(), mp.SimpleQueue()
    shares = [rounds // processes + (n < rounds % processes) for n in range(processes)]
    crowd = [
        mp.Process(target=contend, args=(state, seed, share, truth, results), daemon=True)
        for seed, share in enumerate(shares)
    ]
    begin = time.monotonic()
    for process in crowd:
        process.start()
    each = collect(crowd, truth, rounds, results)
    took_s = time.monotonic() - begin
    times = {what: sorted(t for one in each for t in one[what]) for what in each[0]}
    return {
        **{"processes": processes, "rounds": truth.rounds.value, "took_s": round(took_s, 1)},
        **{"rounds_per_s": round(truth.rounds.value / took_s, 1)},
        **{"overbookings": truth.overbookings.value, "most_mb": truth.most_mb.value},
        "ms": {what: summary(some) for what, some in times.items()},
    }


def collect(
    crowd: list[mp.Process], truth: Truth, rounds: int, results: SimpleQueue[Times]
) -> list[Times]:
    """What the processes measured; tells how far they are meanwhile."""
    each: list[Times] = []
    begin = told = time.monotonic()
    while len(each) < len(crowd):
        if not results.empty():
            each.append(results.get())
            continue
        if any(process.exitcode for process in crowd):
            raise click.ClickException("a process failed")
        time.sleep(0.1)
        if time.monotonic() - told > TOLD_EVERY_S:
            told = time.monotonic()
            done = truth.rounds.value
            said = f"{done} of {rounds} rounds, {done / (told - begin):.0f} a second"
            click.echo(f"{said}, {truth.overbookings.value} overbookings", err=True)
    return each


def summary(seconds: list[float]) -> dict[str, float]:
    """Milliseconds of sorted seconds."""
    if not seconds:
        return {"count": 0}
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    ms = {name: seconds[int(share * (len(seconds) - 1))] for name, share in at.items()}
    ms |= {"mean": statistics.fmean(seconds), "max": seconds[-1]}
    return {"count": len(seconds), **{name: round(1000 * s, 2) for name, s in ms.items()}}


def show(result: dict[str, Any]) -> None:
    columns = ("count", "p50", "p90", "p99", "mean", "max")
    table = Table(title=f"{result['processes']} processes at one card, milliseconds")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for what, ms in result["ms"].items():
        table.add_row(what, *(str(ms.get(column, "-")) for column in columns))
    Console().print(table)
    print(
        f"{result['rounds']} rounds in {result['took_s']} s, {result['rounds_per_s']} a second;"
        f" at most {result['most_mb']} of {CARD_MB} MB held, {result['overbookings']} overbookings"
    )


@click.command()
@click.option("--processes", default=16, help="How many contend.")
@click.option("--rounds", default=100_000, help="Leases taken and given back, in all.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Kept; a fresh one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(processes: int, rounds: int, state_dir: Path | None, as_json: bool) -> None:
    """Latency of leases under contention; fails when the card was ever overbooked."""
    folder = nullcontext(str(state_dir)) if state_dir else tempfile.TemporaryDirectory()
    with folder as state:
        result = storm(Path(state), processes, rounds)
    if as_json:
        print(json.dumps(result))
    else:
        show(result)
    sys.exit(1 if result["overbookings"] else 0)


if __name__ == "__main__":
    main()
