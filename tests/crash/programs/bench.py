"""The simulated 4 GB card at which all engines of these tests meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.events import Start
from nvinx.admission.job import Job
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity, Card
from nvinx.catalog import Residency
from nvinx.host.clock import boot_seconds
from nvinx.jobs.claim import Claim
from nvinx.leases.broker import Broker
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Ports
from nvinx.sizes import capacity_from_gb, need_from_mb

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nvinx.admission.events import Decision

CARD = Card(id="simulated-0", index=0, name="card", total_mib=capacity_from_gb(4), simulated=True)
CAPACITY = Capacity((CARD,), cores=8)


class BareEngine:
    """One engine at the bench, with a broker of its own over the shared state folder."""

    def __init__(self, state: Path, name: str, patience_s: float = 60.0) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.ledger = SqliteLedger(state / "ledger.db")
        self.liveness = ProcessLiveness(state / "life")
        ports = Ports(self.ledger, self.liveness, boot_seconds)
        self.broker = Broker(name, CAPACITY, ports, LongestChainFirst(patience_s=patience_s))

    def job(self, job_id: str, vram_mb: int | None) -> Job:
        """A job that shares the card, or one that wants it whole when no size is given."""
        if vram_mb is None:
            return Job(job_id, job_id, Claim(residency=Residency.GPU_EXCLUSIVE), self.name)
        vram = need_from_mb(vram_mb)
        claim = Claim(residency=Residency.GPU_SHARED, vram_mib=vram)
        return Job(job_id, job_id, claim, self.name)

    def leave(self) -> None:
        self.broker.close()
        self.ledger.close()


def starts(decisions: Iterable[Decision]) -> list[Start]:
    return [d for d in decisions if isinstance(d, Start)]
