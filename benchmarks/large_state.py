"""What a large state folder costs a program: its start, its turns, what it remembers, and a look.

    python benchmarks/large_state.py [--rounds 5] [--json]

CPU time with little in the state folder and with much: past runs of many kinds in the history,
leases that live on eight cards, leases of the dead that nobody has dropped, lock files of the dead,
and a workflow whose trace has many jobs.
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import click
from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

from nvinx.admission.job import Job, Placement
from nvinx.bench.capacity import Card
from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.history.store import SqliteHistory
from nvinx.host.clock import boot_seconds
from nvinx.jobs.claim import Claim
from nvinx.leases import snapshot
from nvinx.leases.context import Context, new_engine, open_context
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Lease
from nvinx.reasons import Why
from nvinx.runs import read
from nvinx.runs.trace import Trace

CARDS = tuple(
    Card(id=f"simulated-{n}", index=n, name="card", total_mib=100_000, simulated=True)
    for n in range(8)
)
BENCH = Bench(cards=CARDS, cores=4, ram_mib=16_000, models={}, origins={})
CLAIM = Claim(residency=Residency.GPU_SHARED, vram_mib=100, cores=0, kind="small")
OF_A_KIND = 40


class Size(Struct, frozen=True):
    """How much of each there is. dead: leases of the dead, and as many lock files."""

    runs: int
    living: int
    dead: int
    traced: int


SIZES = {"little": Size(40, 2, 0, 100), "much": Size(100_000, 200, 3000, 100_000)}


@contextlib.contextmanager
def state(size: Size) -> Iterator[Path]:
    """A state folder of this size, which is also a workflow's folder with a trace."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        SqliteHistory(folder / "history.db").add(map(past_run, range(size.runs)), "workflow")
        write_trace(folder, size.traced)
        holder, ledger = ProcessLiveness(folder / "life"), SqliteLedger(folder / "ledger.db")
        with ledger.transaction() as entries:
            for number in range(size.living):
                holder.announce(f"living.{number}")
                entries.hold(lease("living", number))
        yield folder
        for number in range(size.living):
            holder.retire(f"living.{number}")
        ledger.close()


def past_run(number: int) -> PastRun:
    kind = f"rule{number // OF_A_KIND}@00000000"
    residency = Residency.GPU_SHARED
    return PastRun(name="x", kind=kind, profile=kind, residency=residency, ran_s=3.0, card="card")


def lease(whose: str, number: int) -> Lease:
    """On one card after the other."""
    card = CARDS[number % len(CARDS)].id
    placement = Placement(Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, card, 100)
    lease_id = f"{whose}.{number}"
    return Lease(Job(lease_id, lease_id, CLAIM, "another"), placement, boot_seconds())


def write_trace(folder: Path, jobs: int) -> None:
    trace = Trace(boot_seconds, folder)
    trace.begin(BENCH, 4, "engine", ())
    for number in range(jobs):
        trace.submitted(Job(f"engine.{number}", f"rule[{number}]", CLAIM, "engine"))
    trace.close()


def bury(folder: Path, dead: int) -> None:
    """Leave lock files and leases of the dead behind."""
    ledger = SqliteLedger(folder / "ledger.db")
    with ledger.transaction() as entries:
        for number in range(dead):
            (folder / "life" / f"dead.{number}.lock").touch()
            entries.hold(lease("dead", number))
    ledger.close()


def measures(folder: Path, size: Size) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is measured, in turn, and how; what leaves the dead behind does so for the next."""
    opened: list[Context] = []
    yield "start", lambda: opened.append(open_context(BENCH, folder))
    context = opened[-1]
    bury(folder, size.dead)
    yield "status", lambda: snapshot.take(BENCH, folder)
    yield "first turn", lambda: turn(context)
    yield "next turn", lambda: turn(context)
    yield "remember", lambda: context.past.keep([past_run(0)], "workflow")
    yield "last run", lambda: read.last(folder)
    yield "sweep", context.liveness.sweep
    context.broker.close()
    context.close()


def turn(context: Context) -> None:
    """A job of a kind that nobody has seen comes, runs, and ends."""
    name = new_engine()
    job = Job(f"{context.engine}.{name}", name, structs.replace(CLAIM, kind=name), context.engine)
    context.broker.submit([job])
    context.broker.finish(job.id)


def cpu_ms(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return 1000 * (time.process_time() - begin)


def measure(size: Size, rounds: int) -> dict[str, float]:
    """CPU milliseconds, the median of the rounds."""
    took: dict[str, list[float]] = {}
    with state(size) as folder:
        for _ in range(rounds):
            for name, work in measures(folder, size):
                took.setdefault(name, []).append(cpu_ms(work))
    return {name: median(times) for name, times in took.items()}


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, as_json: bool) -> None:
    """What a program takes with little and with much in the state folder."""
    found = {name: measure(size, rounds) for name, size in SIZES.items()}
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table(title="CPU time (ms)")
    for column in ("", *found, "much / little"):
        table.add_column(column, justify="right")
    for name, little in found["little"].items():
        much = found["much"][name]
        table.add_row(name, f"{little:.1f}", f"{much:.1f}", f"{much / little:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
