"""What a transaction costs an engine with a long queue or many running jobs, and a neighbour.

    python benchmarks/turn.py [--waiting 10 --waiting 1000 ...] [--running 1 ...] [--rounds 20]

One engine has so many shared jobs of 100 MB waiting for one card, on which so many run: CPU time of
handing over one more job, of the end of one, and of a look while nothing happened, and the memory
that the engine takes. A neighbour asks for a lease that does not fit and takes it back: its time,
with the engine's requests in the ledger. Each over that with the shortest queue, or fewest running.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

from nvinx.admission.job import Job
from nvinx.bench.capacity import Capacity, Card
from nvinx.catalog import Residency
from nvinx.host.clock import boot_seconds
from nvinx.jobs.claim import Claim
from nvinx.leases.broker import Broker
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Ports

SMALL = Claim(residency=Residency.GPU_SHARED, vram_mib=96, kind="small")
WHOLE = Claim(residency=Residency.GPU_EXCLUSIVE, cores=0, kind="whole")
MEASURES = ("submit", "finish", "poll", "neighbour")
FEW_RUN, FEW_WAIT = 4, 100
WARM_UP = 3  # rounds that are not counted


def broker(engine: str, state: Path, running: int) -> Broker:
    ports = Ports(SqliteLedger(state / "ledger.db"), ProcessLiveness(state / "life"), boot_seconds)
    card = Card(id="gpu-0", index=0, name="card", total_mib=96 * running)
    return Broker(engine, Capacity((card,), running), ports)


def measure(waiting: int, running: int, rounds: int) -> dict[str, float]:
    """CPU milliseconds of each, on average, and MiB of memory."""
    with tempfile.TemporaryDirectory() as folder:
        engine, other = (broker(name, Path(folder), running) for name in ("engine", "other"))
        gc.collect()
        before = psutil.Process().memory_info().rss
        begun = [d.job_id for d in engine.submit(job(k) for k in range(waiting + running))]
        memory = psutil.Process().memory_info().rss - before
        took = dict.fromkeys(MEASURES, 0.0)
        for n in range(-WARM_UP, rounds):
            times = [time.process_time()]
            engine.submit([job(waiting + running + WARM_UP + n)])
            times.append(time.process_time())
            begun += [start.job_id for start in engine.finish(begun.pop(0))]
            times.append(time.process_time())
            engine.poll()
            times.append(time.process_time())
            other.submit([Job(f"other.{n}", "whole", WHOLE, "other")])
            other.withdraw([f"other.{n}"])
            times.append(time.process_time())
            if n >= 0:
                for name, begin, end in zip(MEASURES, times, times[1:], strict=False):
                    took[name] += end - begin
        engine.close()
        other.close()
    return {
        **{name: 1000 * seconds / rounds for name, seconds in took.items()},
        "memory, MiB": memory / 2**20,
    }


def job(number: int) -> Job:
    return Job(f"engine.{number}", f"small[{number}]", SMALL, "engine")


def show(title: str, first: str, found: dict[int, dict[str, float]]) -> None:
    table = Table(title=title)
    columns = next(iter(found.values()))
    for column in (first, *columns):
        table.add_column(column, justify="right")
    for number, took in found.items():
        cells = [f"{took[m]:.1f} ({took[m] / columns[m]:.1f})" for m in MEASURES]
        table.add_row(str(number), *cells, f"{took['memory, MiB']:.0f}")
    Console().print(table)


@click.command()
@click.option("--waiting", type=int, multiple=True, default=(10, 100, 1000, 3000, 10_000, 50_000))
@click.option("--running", type=int, multiple=True, default=(1, 10, 100, 500))
@click.option("--rounds", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(waiting: tuple[int, ...], running: tuple[int, ...], rounds: int, as_json: bool) -> None:
    """What a transaction costs an engine with a long queue, and a neighbour meanwhile."""
    queues = {number: measure(number, FEW_RUN, rounds) for number in sorted(waiting)}
    cards = {number: measure(FEW_WAIT, number, rounds) for number in sorted(running)}
    if as_json:
        click.echo(json.dumps({"waiting": queues, "running": cards}))
        return
    show(f"{FEW_RUN} run, CPU ms (over the shortest queue)", "waiting", queues)
    show(f"{FEW_WAIT} wait, CPU ms (over the fewest)", "running", cards)


if __name__ == "__main__":
    main()
