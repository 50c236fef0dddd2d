"""A folder with a bench file; what is started there shares one ledger, and ends with the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from family import Family, environment
from waiting import GIVE_UP_S

from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.repetition import again_if_lost

if TYPE_CHECKING:
    from nvinx.leases.ports import Lease, QueuedRequest

NVINX = (sys.executable, "-c", "from nvinx.cli import main; main()")


@dataclass
class BenchFolder:
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def environment(self) -> dict[str, str]:
        return {
            **environment(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NVINX_STATE_DIR": str(self.state),
            **self.environ,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.family.start(words, self.folder, self.environment())

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=GIVE_UP_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err or "")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def held(self) -> set[str]:
        """Names of the jobs that live and hold a lease."""
        leases, _ = entries(self.state)
        alive = ProcessLiveness(self.state / "life").alive({lease.id for lease in leases})
        return {lease.job.name for lease in leases if lease.id in alive}

    def queued(self) -> set[str]:
        """Names of the jobs that stand in the queue, whether or not their engines live."""
        return {request.job.name for request in entries(self.state)[1]}

    def waits(self) -> set[str]:
        """Those of them whose engines live."""
        _, requests = entries(self.state)
        liveness = ProcessLiveness(self.state / "life")
        alive = liveness.alive({request.job.engine for request in requests})
        return {request.job.name for request in requests if request.job.engine in alive}


def entries(state: Path) -> tuple[tuple[Lease, ...], tuple[QueuedRequest, ...]]:
    """What the ledger of a state folder holds; nothing where there is none yet."""
    if not (state / "ledger.db").exists():
        return (), ()
    with contextlib.closing(SqliteLedger(state / "ledger.db")) as ledger:
        return again_if_lost(lambda: _entries(ledger))


def _entries(ledger: SqliteLedger) -> tuple[tuple[Lease, ...], tuple[QueuedRequest, ...]]:
    with ledger.transaction() as transaction:
        return transaction.leases(), transaction.requests()
