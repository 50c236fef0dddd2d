"""A machine as one program of nvinx uses it: all that is opened before its first job."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.gpu.nvml import NvmlProbe
from nvinx.history.past import Past
from nvinx.host import resources, statedir
from nvinx.host.clock import boot_seconds
from nvinx.leases import memory_caps
from nvinx.leases.broker import Broker
from nvinx.leases.environment import variables
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.peaks import PeakWatch
from nvinx.leases.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.events import Policy
    from nvinx.admission.state import Placement
    from nvinx.bench.resolve import Bench

SITE = str(Path(__file__).parents[1] / "site")


@dataclass(frozen=True, slots=True)
class Context:
    """What `open_context` opened. probe: None where every card is simulated."""

    engine: str
    bench: Bench
    state_dir: Path
    past: Past
    estimates: Estimates
    liveness: ProcessLiveness
    probe: NvmlProbe | None
    broker: Broker
    _ledger: SqliteLedger

    def peaks(self, lost: Callable[[str, str], None] | None = None) -> PeakWatch | None:
        """Watches what jobs use of real cards. lost: told of a card that has gone, and why."""
        return None if self.probe is None else PeakWatch(self.probe, self.liveness, lost)

    def exports(self, job_id: str, placement: Placement, *, caps: bool) -> dict[str, str]:
        """The environment of a job that is placed. caps: hold its framework to what it declared."""
        capacity = self.broker.state.capacity
        exports = variables(job_id, placement, capacity)
        running = self.broker.state.running.get(job_id)
        if running is not None and running.job.claim.auto_vram:
            exports |= {k: v for k, v in memory_caps.AS_NEEDED.items() if k not in os.environ}
        if caps:
            exports |= memory_caps.variables(placement, capacity, SITE, os.environ)
        return exports

    def lock(self, job_id: str, placement: Placement) -> Path | None:
        """The file whose lock is the job's sign of life; None on the CPU, which is not leased."""
        return None if placement.card is None else self.liveness.file(job_id)

    def close(self) -> None:
        self._ledger.close()


def open_context(
    bench: Bench,
    state_dir: Path | None = None,
    *,
    cores: int | None = None,
    policy: Callable[[Estimates], Policy] = LongestChainFirst,
    learns: bool = True,
) -> Context:
    """Open the state folder, its ledger and its history, and a broker for this bench.

    state_dir: found as everywhere by default. cores: instead of the bench's. learns: by what
    earlier runs and its own show. Raises StateDirError, LedgerVersionError.
    """
    engine = new_engine()
    folder = statedir.prepare(statedir.choose(state_dir, os.environ))
    real = any(not card.simulated for card in bench.cards)
    probe, ram_left = (NvmlProbe(), resources.ram_left_mib) if real else (None, None)
    liveness = ProcessLiveness(folder / "life")
    names = [card.name for card in bench.cards]
    past = Past.read(folder, names) if learns else Past.unread(folder)
    estimates = Estimates(bench.slowdowns, bench.utilisation, past.statistics)
    ledger = SqliteLedger(folder / "ledger.db")
    ports = Ports(ledger, liveness, boot_seconds, probe, ram_left)
    capacity = bench.capacity if cores is None else replace(bench.capacity, cores=cores)
    broker = Broker(engine, capacity, ports, policy(estimates), past.statistics)
    return Context(engine, bench, folder, past, estimates, liveness, probe, broker, ledger)


def new_engine() -> str:
    """A name for one program that asks for leases, which no other has."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
