"""A bench with one simulated card, and `nvinx run` as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from family import Family, environment
from waiting import GIVE_UP_S

from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n"
PROGRAM = "from nvinx.cli import main; main()"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@dataclass
class Bench:
    """A folder with a bench file; commands run there and share one ledger."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `nvinx WORDS`."""
        return self.family.start(
            [sys.executable, "-c", PROGRAM, *words],
            self.folder,
            {**environment(), "PATH": PATH, "NVINX_STATE_DIR": str(self.state), **self.environ},
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=GIVE_UP_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def ledger(self) -> tuple[dict[str, str], dict[str, str]]:
        """Who lives and holds a lease, and who waits: placement and reason by name."""
        if not (self.state / "ledger.db").exists():
            return {}, {}
        ledger = SqliteLedger(self.state / "ledger.db")
        with ledger.transaction() as entries:
            leases, requests = entries.leases(), entries.requests()
        ledger.close()
        alive = ProcessLiveness(self.state / "life").alive({lease.id for lease in leases})
        held = {x.job.name: x.placement.residency.value for x in leases if x.id in alive}
        return held, {r.job.name: r.reason.why.value if r.reason else "" for r in requests}

    def held(self) -> set[str]:
        return set(self.ledger()[0])

    def waits(self) -> set[str]:
        return set(self.ledger()[1])

    def status(self) -> dict[str, object]:
        return json.loads(self.run("status", "--json").stdout)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    made = Bench(tmp_path)
    yield made
    made.family.close()
