"""Many programs that contend for leases of cards: how long asking takes, and whether it is safe.

    python benchmarks/leases.py [--processes 16] [--rounds 100000] [--card-mib 4000] [--cards 1]
      [--gangs 0.0] [--think 0.15] [--state-dir DIR] [--json]

Each process asks for a random share of a simulated card, holds it for some 25 ms, gives it back and
thinks for a while. Of several cards some ask for two to all at once (--gangs is how many of them),
half of these for whole cards. Its first lease, when all begin at once, is counted apart. Asking is
one call of `LeaseClient.acquire`, as in `nvinx.lease` and `nvinx run`; a call that found room at
once is counted apart from one that stood in line. Whether a card is ever overbooked is told by a
sum of its own that knows nothing of nvinx: added to after a lease is given, taken from before it is
given back. The jobs are of no kind, so nothing is learned of them: this measures the ledger, and
not the policy.
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
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from nvinx.bench.capacity import Card
from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.formatting import cards_text
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.claim import Claim
from nvinx.leases.client import HeldLease, LeaseClient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray

LEAST_MIB, MOST_MIB = 100, 900
HOLD_S = 0.05  # at most; half of it on average
WHOLE = 0.5  # of the gangs
TOLD_EVERY_S = 10.0
NAME = "share"

Times = dict[str, list[float]]


class Truth:
    """How much of each card is taken, whatever nvinx believes; shared by all processes."""

    def __init__(self, card_mib: int, cards: int) -> None:
        self._card_mib = card_mib
        self.held_mib: SynchronizedArray[int] = mp.Array("q", cards)
        self.most_mib: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]
        self.overbookings: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]
        self.rounds: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]
        self.gangs: Synchronized[int] = mp.Value("q", 0, lock=False)  # type: ignore[assignment]

    def take(self, mib: int, cards: Sequence[int]) -> None:
        with self.held_mib.get_lock():
            for card in cards:
                self.held_mib[card] += mib
                self.overbookings.value += self.held_mib[card] > self._card_mib
            self.gangs.value += len(cards) > 1
            self.most_mib.value = max(self.most_mib.value, *self.held_mib)

    def leave(self, mib: int, cards: Sequence[int]) -> None:
        with self.held_mib.get_lock():
            for card in cards:
                self.held_mib[card] -= mib
            self.rounds.value += 1


class Setting(NamedTuple):
    """think_s: seconds between two leases of a process, on average. gangs: their share, 0..1."""

    card_mib: int
    think_s: float
    cards: int = 1
    gangs: float = 0.0

    @property
    def bench(self) -> Bench:
        cards = (
            Card(id=f"simulated-{n}", index=n, name="card", total_mib=self.card_mib, simulated=True)
            for n in range(self.cards)
        )
        return Bench(cards=tuple(cards), cores=1, ram_mib=0, models={}, origins={})

    def wish(self, chance: random.Random) -> tuple[Claim, int]:
        """What a process asks for, and the MiB on each card that it then has.

        In MiB as in the ledger: of what is stated in MB, each job may use up to 1 MiB more than it
        holds, which is no overbooking.
        """
        mib, count = chance.randint(LEAST_MIB, MOST_MIB), CardCount()
        if chance.random() < self.gangs:
            number = chance.randint(2, self.cards)
            count = CardCount(number, number)
            if chance.random() < WHOLE:
                whole = Claim(residency=Residency.GPU_EXCLUSIVE, cores=0, cards=count)
                return whole, self.card_mib
        return Claim(residency=Residency.GPU_SHARED, vram_mib=mib, cores=0, cards=count), mib


def ask(client: LeaseClient, claim: Claim, times: Times) -> HeldLease:
    """One lease; the time goes to those that found room, or to those that stood in line."""
    looks: list[object] = []
    begin = time.monotonic()
    held = client.acquire(claim, NAME, looks.append)
    kind = "first" if not times["first"] else "in line" if looks else "room"
    times[kind].append(time.monotonic() - begin)
    return held


def contend(
    state: Path, seed: int, rounds: int, setting: Setting, truth: Truth, results: SimpleQueue[Times]
) -> None:
    """One process's rounds."""
    chance = random.Random(seed)
    times: Times = {"first": [], "room": [], "in line": [], "release": []}
    with LeaseClient(setting.bench, state) as client:
        for _ in range(rounds):
            claim, mib = setting.wish(chance)
            held = ask(client, claim, times)
            cards = [int(card.rpartition("-")[2]) for card in held.placement.cards]
            truth.take(mib, cards)
            time.sleep(chance.uniform(0, HOLD_S))
            truth.leave(mib, cards)
            begin = time.monotonic()
            client.release(held)
            times["release"].append(time.monotonic() - begin)
            time.sleep(chance.uniform(0, 2 * setting.think_s))
    results.put(times)


def storm(state: Path, processes: int, rounds: int, setting: Setting) -> dict[str, Any]:
    """All processes at once, `rounds` in all; times in seconds."""
    truth, results = Truth(setting.card_mib, setting.cards), mp.SimpleQueue()
    shares = [rounds // processes + (n < rounds % processes) for n in range(processes)]
    crowd = [
        mp.Process(target=contend, args=(state, seed, share, setting, truth, results), daemon=True)
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
        **{"overbookings": truth.overbookings.value, "most_mib": truth.most_mib.value},
        **{"card_mib": setting.card_mib, "cards": setting.cards, "gangs": truth.gangs.value},
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
    cards = cards_text(result["cards"])
    table = Table(title=f"{result['processes']} processes at {cards}, milliseconds")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for what, ms in result["ms"].items():
        table.add_row(what, *(str(ms.get(column, "-")) for column in columns))
    Console().print(table)
    print(
        f"{result['rounds']} rounds in {result['took_s']} s, {result['rounds_per_s']} a second;"
        f" {result['gangs']} of several cards;"
        f" at most {result['most_mib']} of {result['card_mib']} MiB of a card held,"
        f" {result['overbookings']} overbookings"
    )


@click.command()
@click.option("--processes", default=16, help="How many contend.")
@click.option("--rounds", default=100_000, help="Leases taken and given back, in all.")
@click.option("--card-mib", default=4000, help="Size of a card.")
@click.option("--cards", default=1, help="How many cards.")
@click.option("--gangs", default=0.0, help="Share of leases of two to all of the cards at once.")
@click.option("--think", default=0.15, help="Seconds between two leases of a process.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Kept; a fresh one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(  # noqa: PLR0913, PLR0917  (one per option)
    processes: int,
    rounds: int,
    card_mib: int,
    cards: int,
    gangs: float,
    think: float,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Latency of leases under contention; fails when a card was ever overbooked."""
    folder = nullcontext(str(state_dir)) if state_dir else tempfile.TemporaryDirectory()
    with folder as state:
        setting = Setting(card_mib, think, cards, gangs)
        result = storm(Path(state), processes, rounds, setting)
    if as_json:
        print(json.dumps(result))
    else:
        show(result)
    sys.exit(1 if result["overbookings"] else 0)


if __name__ == "__main__":
    main()
