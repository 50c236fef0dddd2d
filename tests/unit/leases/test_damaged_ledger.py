"""Bytes of the ledger are written over at random while engines use it: nobody profits from that."""

from __future__ import annotations

import random
from contextlib import ExitStack, closing

import pytest
from builders import exclusive_job, shared_job, simulated_card, started

from nvinx.bench.capacity import Capacity
from nvinx.history.statistics import RunStatistics
from nvinx.host.clock import boot_seconds
from nvinx.leases import tokens
from nvinx.leases.broker import Broker
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Ports

CAPACITY = Capacity((simulated_card(),), 4)
MOST_BYTES = 3000


@pytest.fixture
def engine(tmp_path):
    """Makes engines, by name, that leave at the end."""
    with ExitStack() as made:

        def make(statistics=None):
            ledger = made.enter_context(closing(SqliteLedger(tmp_path / "ledger.db")))
            ports = Ports(ledger, ProcessLiveness(tmp_path / "life"), boot_seconds)
            name = tokens.new()
            broker = Broker(name, CAPACITY, ports, statistics=statistics)
            made.callback(broker.close)
            return name, broker

        yield make


def damage(folder, draw):
    """Write over a stretch of the ledger or its log; not the index, which SQLite maps to memory."""
    files = [file for file in folder.glob("ledger.db*") if not file.name.endswith("shm")]
    file = draw.choice(sorted(files))
    if size := file.stat().st_size:
        with file.open("r+b") as opened:
            opened.seek(draw.randrange(size))
            opened.write(draw.choice([bytes, draw.randbytes])(draw.randrange(1, MOST_BYTES)))


@pytest.mark.parametrize("seed", range(80))
def test_a_card_that_is_held_alone_stays_so(tmp_path, engine, seed):
    draw = random.Random(seed)
    one, holder = engine()
    two, waiter = engine()
    assert started(holder.submit([exclusive_job(f"{one}.1", engine=one)])) == [f"{one}.1"]
    assert not waiter.submit([shared_job(f"{two}.1", 900, engine=two)])
    for _ in range(5):
        damage(tmp_path, draw)
        assert not waiter.poll()
        three, newcomer = engine()
        assert not newcomer.submit([shared_job(f"{three}.1", 900, engine=three)])
        newcomer.close()
    holder.finish(f"{one}.1")
    assert started(waiter.poll()) == [f"{two}.1"]


@pytest.mark.parametrize("seed", range(20))
def test_a_job_that_ends_in_a_damaged_ledger_teaches_once(tmp_path, engine, seed):
    draw = random.Random(seed)
    name, broker = engine(RunStatistics())
    broker.submit([exclusive_job(f"{name}.1", engine=name)])
    damage(tmp_path, draw)
    broker.finish(f"{name}.1")
    assert [run.name for run in broker.ended()] == [f"{name}.1"]
