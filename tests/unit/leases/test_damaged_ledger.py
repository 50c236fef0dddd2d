"""Bytes of the ledger are written over at random while engines use it: nobody profits from that."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
from builders import exclusive_job, shared_job, simulated_card

from nvinx.admission.events import Start
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


def engine(folder, statistics=None):
    """An engine, and its ledger to be closed."""
    ledger = SqliteLedger(folder / "ledger.db")
    ports = Ports(ledger, ProcessLiveness(folder / "life"), boot_seconds)
    name = tokens.new()
    return name, Broker(name, CAPACITY, ports, statistics=statistics), ledger


def damage(folder, draw):
    """Write over a stretch of the ledger or its log; not the index, which SQLite maps to memory."""
    files = [file for file in folder.glob("ledger.db*") if not file.name.endswith("shm")]
    file = draw.choice(sorted(files))
    if size := file.stat().st_size:
        with file.open("r+b") as opened:
            opened.seek(draw.randrange(size))
            opened.write(draw.choice([bytes, draw.randbytes])(draw.randrange(1, MOST_BYTES)))


def started(decisions):
    return [d.job_id for d in decisions if isinstance(d, Start)]


@pytest.mark.parametrize("seed", range(80))
def test_a_card_that_is_held_alone_stays_so(tmp_path, seed):
    draw = random.Random(seed)
    one, holder, first = engine(tmp_path)
    two, waiter, second = engine(tmp_path)
    with closing(first), closing(second):
        assert started(holder.submit([exclusive_job(f"{one}.1", engine=one)])) == [f"{one}.1"]
        assert not waiter.submit([shared_job(f"{two}.1", 900, engine=two)])
        for _ in range(5):
            damage(tmp_path, draw)
            assert not waiter.poll()
            three, newcomer, third = engine(tmp_path)
            with closing(third):
                assert not newcomer.submit([shared_job(f"{three}.1", 900, engine=three)])
                newcomer.close()
        holder.finish(f"{one}.1")
        assert started(waiter.poll()) == [f"{two}.1"]


@pytest.mark.parametrize("seed", range(20))
def test_a_job_that_ends_in_a_damaged_ledger_teaches_once(tmp_path, seed):
    draw = random.Random(seed)
    name, broker, ledger = engine(tmp_path, RunStatistics())
    with closing(ledger):
        broker.submit([exclusive_job(f"{name}.1", engine=name)])
        damage(tmp_path, draw)
        broker.finish(f"{name}.1")
        assert [run.name for run in broker.ended()] == [f"{name}.1"]
