"""What a transaction costs an engine with a long queue, and a neighbour meanwhile.

    python benchmarks/turn.py [--waiting 10 --waiting 1000 ...] [--rounds 20] [--json]

One engine has so many shared jobs of 100 MB waiting for one card; CPU time of the end of one job,
and of a look while nothing happened. A neighbour asks for a lease that does not fit and takes it
back: its time, with the engine's requests in the ledger. Each over that with the shortest queue.
"""

import json
import tempfile
import time
from pathlib import Path

import click
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

CARD = Card(id="gpu-0", index=0, name="card", total_mib=3814)
SMALL = Claim(residency=Residency.GPU_SHARED, vram_mib=96, kind="small")
WHOLE = Claim(residency=Residency.GPU_EXCLUSIVE, cores=0, kind="whole")
CORES = 4
MEASURES = ("finish", "poll", "neighbour")


def broker(engine: str, state: Path) -> Broker:
    ports = Ports(SqliteLedger(state / "ledger.db"), ProcessLiveness(state / "life"), boot_seconds)
    return Broker(engine, Capacity((CARD,), CORES), ports)


def measure(waiting: int, rounds: int) -> dict[str, float]:
    """CPU milliseconds of the end of a job, of a look, and of a neighbour's request, on average."""
    with tempfile.TemporaryDirectory() as folder:
        engine, other = broker("engine", Path(folder)), broker("other", Path(folder))
        jobs = [Job(f"engine.{k}", f"small[{k}]", SMALL, "engine") for k in range(waiting + rounds)]
        running = [start.job_id for start in engine.submit(jobs)]
        took = dict.fromkeys(MEASURES, 0.0)
        for n in range(rounds):
            begin = time.process_time()
            running += [start.job_id for start in engine.finish(running.pop(0))]
            finished = time.process_time()
            engine.poll()
            polled = time.process_time()
            other.submit([Job(f"other.{n}", "whole", WHOLE, "other")])
            other.withdraw([f"other.{n}"])
            took["finish"] += finished - begin
            took["poll"] += polled - finished
            took["neighbour"] += time.process_time() - polled
        engine.close()
        other.close()
    return {name: 1000 * seconds / rounds for name, seconds in took.items()}


@click.command()
@click.option("--waiting", type=int, multiple=True, default=(10, 100, 1000, 3000))
@click.option("--rounds", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(waiting: tuple[int, ...], rounds: int, as_json: bool) -> None:
    """What a transaction costs an engine with a long queue, and a neighbour meanwhile."""
    found = {number: measure(number, rounds) for number in sorted(waiting)}
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table(title="one transaction, CPU ms (over the shortest queue)")
    for column in ("waiting", *MEASURES):
        table.add_column(column, justify="right")
    shortest = next(iter(found.values()))
    for number, took in found.items():
        cells = (f"{took[m]:.1f} ({took[m] / shortest[m]:.1f})" for m in MEASURES)
        table.add_row(str(number), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
