"""A whole card held by this process and what it starts, in the same ledger as every job."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nvinx.admission import Capacity, Job, Start
from nvinx.broker import Broker, Ports
from nvinx.catalog import Residency
from nvinx.claim import Claim
from nvinx.environment import variables
from nvinx.host import statedir
from nvinx.host.clock import boot_seconds
from nvinx.host.ledger import SqliteLedger
from nvinx.host.life import ProcessLife
from nvinx.host.nvml import NvmlProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nvinx.admission import Card
    from nvinx.reasons import Reason

_LOOK_AGAIN_S = 0.5


@contextmanager
def whole_card(
    card: Card, name: str, state_dir: Path | None, waiting: Callable[[Reason | None], None]
) -> Iterator[dict[str, str]]:
    """Wait for the card, hold it alone, and give it back.

    The value is the environment for the programs that use the card meanwhile; one that outlives
    this process keeps the card. waiting: called again and again with the reason for the wait.
    Raises StateDirError.
    """
    folder = statedir.prepare(statedir.choose(state_dir, os.environ))
    engine = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    ledger = SqliteLedger(folder / "ledger.db")
    ports = Ports(
        ledger, ProcessLife(folder / "life"), boot_seconds, None if card.simulated else NvmlProbe()
    )
    capacity = Capacity((card,))
    broker = Broker(engine, capacity, ports)
    job = Job(f"{engine}.1", name, Claim(residency=Residency.GPU_EXCLUSIVE, cores=0), engine)
    try:
        decisions = broker.submit([job])
        while not (started := [d for d in decisions if isinstance(d, Start)]):
            waiting(broker.waits.get(job.id))
            time.sleep(_LOOK_AGAIN_S)
            decisions = broker.poll()
        yield variables(job.id, started[0].placement, capacity)
        broker.finish(job.id)
    finally:
        broker.close()
        ledger.close()
