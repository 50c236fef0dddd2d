"""A bench with one simulated card, and `nvinx run` as a user starts it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nvinx.host.ledger import SqliteLedger
from nvinx.host.life import ProcessLife

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BENCH = "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n"
PROGRAM = "from nvinx.cli import main; main()"
GIVE_UP_S = 60
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@dataclass
class Bench:
    """A folder with a bench file; commands run there and share one ledger."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `nvinx WORDS`."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            cwd=self.folder,
            env={**_clean(), "PATH": PATH, "NVINX_STATE_DIR": str(self.state), **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_mind_the_keyboard,  # noqa: PLW1509  (it takes no lock)
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=GIVE_UP_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def ledger(self) -> tuple[dict[str, str], dict[str, str]]:
        """Who lives and holds a lease, and who waits: placement and reason by name."""
        if not (self.state / "ledger.db").exists():
            return {}, {}
        ledger = SqliteLedger(self.state / "ledger.db")
        with ledger.turn() as page:
            leases, requests = page.leases(), page.requests()
        ledger.close()
        alive = ProcessLife(self.state / "life").alive({lease.id for lease in leases})
        held = {x.job.name: x.placement.residency.value for x in leases if x.id in alive}
        return held, {r.job.name: r.reason.why.value if r.reason else "" for r in requests}

    def held(self) -> set[str]:
        return set(self.ledger()[0])

    def waits(self) -> set[str]:
        return set(self.ledger()[1])

    def status(self) -> dict[str, object]:
        return json.loads(self.run("status", "--json").stdout)


def _clean() -> dict[str, str]:
    """This environment without what nvinx may have put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NVINX_")}


def _mind_the_keyboard() -> None:
    """Undo what a shell does to background jobs: a process born deaf to SIGINT stays so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    made = Bench(tmp_path)
    yield made
    for process in made.started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=GIVE_UP_S)


@pytest.fixture
def eventually() -> Callable[..., bool]:
    def ask(question: Callable[[], object], limit_s: float = 20) -> bool:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if question():
                return True
            time.sleep(0.03)
        return bool(question())

    return ask
