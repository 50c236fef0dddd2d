"""A machine as one program of nvinx uses it: all that is opened before its first job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.history.past import Past
from nvinx.host import budget_files, resources, statedir
from nvinx.host.clock import boot_seconds
from nvinx.leases import memory_caps, said_peaks, tokens
from nvinx.leases.broker import Broker
from nvinx.leases.budgets import BudgetFiles
from nvinx.leases.environment import variables
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.peaks import PeakWatch
from nvinx.leases.ports import Ports
from nvinx.leases.said_peaks import SaidPeaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.events import Policy
    from nvinx.admission.job import Job, Placement
    from nvinx.bench.resolve import Bench
    from nvinx.gpu.nvml import NvmlProbe
    from nvinx.leases.outer import Outer
    from nvinx.leases.ports import Peaks
    from nvinx.leases.suspendable import Suspendable
    from nvinx.leases.suspended_job import SuspendedJob
    from nvinx.leases.suspender import Suspender

SITE = str(Path(__file__).parents[1] / "site")


class Context(Struct, frozen=True):
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

    def peaks(
        self,
        lost: Callable[[str, str], None] | None = None,
        astray: Callable[[str, int], None] | None = None,
    ) -> Peaks:
        """What jobs use of the cards. lost, astray: see `PeakWatch`."""
        if self.probe is None:
            return self._said
        return PeakWatch(self.probe, self.liveness, lost, astray)

    @property
    def _said(self) -> SaidPeaks:
        return SaidPeaks(self.liveness.folder)

    def exports(
        self, job_id: str, placement: Placement, *, caps: bool, by_index: bool = False
    ) -> dict[str, str]:
        """The environment of a job that is placed.

        caps: hold its framework to what it declared. by_index: see `environment.variables`.
        """
        capacity = self.broker.state.capacity
        exports = variables(job_id, placement, capacity, by_index=by_index)
        running = self.broker.state.running.get(job_id)
        if running is not None and running.job.claim.auto_vram:
            exports |= {k: v for k, v in memory_caps.AS_NEEDED.items() if k not in os.environ}
        simulated = placement.card is not None and capacity.card(placement.card).simulated
        exports[said_peaks.VARIABLE] = str(self._said.file(job_id)) if simulated else ""
        exports[budget_files.VARIABLE] = "" if placement.budget is None else self._budget(job_id)
        if caps:
            capped = (
                placement if running is None else memory_caps.most(placement, running.job.claim)
            )
            exports |= memory_caps.variables(capped, capacity, SITE, os.environ)
        return exports

    def _budget(self, job_id: str) -> str:
        return str(BudgetFiles(self.liveness.folder).file(job_id))

    def lock(self, job_id: str, placement: Placement) -> Path | None:
        """The file whose lock is the job's sign of life; None on the CPU, which is not leased."""
        return None if placement.card is None else self.liveness.file(job_id)

    @property
    def suspendable(self) -> Suspendable:
        """Which jobs can be suspended here."""
        from nvinx.gpu.checkpoint import DriverCheckpoint
        from nvinx.leases.suspendable import Suspendable

        return Suspendable(DriverCheckpoint(), self.state_dir)

    def suspended_job(self, job: Job, say: Callable[[str], None]) -> SuspendedJob:
        """What moves the job off its card and back. say: told of what becomes of it."""
        from nvinx.leases.suspended_job import SuspendedJob

        return SuspendedJob(job, self.suspender, self.suspendable, say)

    @property
    def suspender(self) -> Suspender:
        from nvinx.gpu.checkpoint import DriverCheckpoint
        from nvinx.leases.suspender import Suspender

        return Suspender(DriverCheckpoint(), self.probe)

    def close(self) -> None:
        self._ledger.close()


def open_context(
    bench: Bench,
    state_dir: Path | None = None,
    *,
    cores: int | None = None,
    policy: Callable[[Estimates], Policy] = LongestChainFirst,
    learns: bool = True,
    inside: Outer | None = None,
) -> Context:
    """Open the state folder, its ledger and its history, and a broker for this bench.

    state_dir: found as everywhere by default. cores: instead of the bench's. learns: by what
    earlier runs and its own show. inside: the lease to share out, instead of the machine; bench
    then is of its share. Raises StateDirError, LedgerVersionError.
    """
    within = "" if inside is None else inside.token
    engine = tokens.new(within)
    if inside is not None:
        state_dir = inside.make_folder()
    folder = statedir.prepare(statedir.choose(state_dir, os.environ))
    real = any(not card.simulated for card in bench.cards)
    probe, ram_left = (_probe(), resources.ram_left_mib) if real else (None, None)
    liveness = ProcessLiveness(folder / "life", within)
    names = [card.name for card in bench.cards]
    remembered = folder if inside is None or inside.state_dir is None else inside.state_dir
    past = Past.read(remembered, names, bench.slowdowns) if learns else Past.unread(remembered)
    estimates = Estimates(bench.slowdowns, bench.utilisation, past.statistics)
    ledger = SqliteLedger(folder / "ledger.db")
    ports = Ports(
        ledger,
        liveness,
        boot_seconds,
        None if within else probe,
        ram_left,
        budgets=BudgetFiles(liveness.folder),
    )
    capacity = bench.capacity if cores is None else replace(bench.capacity, cores=cores)
    broker = Broker(engine, capacity, ports, policy(estimates), past.statistics)
    return Context(engine, bench, folder, past, estimates, liveness, probe, broker, ledger)


def _probe() -> NvmlProbe:
    from nvinx.gpu.nvml import NvmlProbe

    return NvmlProbe()
