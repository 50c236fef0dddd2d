"""A real Nextflow from Maven Central, and a bench with one simulated card that its tasks share."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cached_nextflow
import psutil
import pytest
from family import Family, environment
from waiting import GIVE_UP_S

from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BENCH = (
    "hardware: {cpu_cores: 8, ram_gb: 8, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n"
    "models: [{name: esm, vram_gb: 0.9, residency: gpu_shared}]\n"
)
GPU_PROGRAM = str(ROOT / "tests/crash/programs/gpu.py")
NEXTFLOW = str(cached_nextflow.PROGRAM)


@dataclass
class Bench:
    """A folder with a bench file; what is started there shares one ledger and bears one mark."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def truth(self) -> Path:
        """Where `gpu.py` of the crash tests notes what ran, and whether the card was overbooked."""
        return self.folder / "truth"

    def environment(self) -> dict[str, str]:
        return {
            **environment(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NVINX_STATE_DIR": str(self.state),
            "NXF_HOME": str(self.folder / "home"),
            "TRUTH": str(self.truth),
            "GPU": f"{sys.executable} {GPU_PROGRAM}",
            **self.environ,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.family.start(words, self.folder, self.environment())

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, _ = process.communicate(timeout=GIVE_UP_S)
        return subprocess.CompletedProcess(words, process.returncode, out, "")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def held(self) -> set[str]:
        """Names of the jobs that live and hold a lease."""
        leases, _ = self._ledger()
        alive = ProcessLiveness(self.state / "life").alive({lease.id for lease in leases})
        return {lease.job.name for lease in leases if lease.id in alive}

    def waits(self) -> set[str]:
        """Names of the jobs that stand in line, and whose engines live."""
        _, requests = self._ledger()
        liveness = ProcessLiveness(self.state / "life")
        alive = liveness.alive({request.job.engine for request in requests})
        return {request.job.name for request in requests if request.job.engine in alive}

    def programs(self) -> list[psutil.Process]:
        """The living programs that use the card."""
        found = []
        for process in self.family.living():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.cmdline()[1:2] == [GPU_PROGRAM]:
                    found.append(process)
        return found

    def ran(self) -> list[str]:
        file = self.truth / "ran"
        return file.read_text().split() if file.exists() else []

    def overbooked(self) -> list[object]:
        file = self.truth / "overbooked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def _ledger(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        if not (self.state / "ledger.db").exists():
            return (), ()
        ledger = SqliteLedger(self.state / "ledger.db")
        with contextlib.closing(ledger), ledger.transaction() as entries:
            return entries.leases(), entries.requests()


class Flow(Bench):
    """The same, with Nextflow."""

    configs: tuple[str, ...] = (str(ROOT / "nextflow/nvinx.config"),)
    words: tuple[str, ...] = ()
    program = NEXTFLOW

    def nextflow(self, pipeline: str, *words: str) -> tuple[str, ...]:
        """The command that runs a pipeline of tests/nextflow/pipelines, or of the folder."""
        script = self.folder / pipeline
        script = script if script.exists() else HERE / "pipelines" / pipeline
        configs = [word for config in self.configs for word in ("-c", config)]
        return (self.program, "run", str(script), *configs, *words)

    def runs(self) -> list[Path]:
        """The wrappers of all tasks, the oldest first."""
        return sorted(self.folder.glob("work/*/*/.command.run"), key=os.path.getmtime)

    def name_of(self, run: Path) -> str:
        return run.read_text().partition("### name: '")[2].partition("'\n")[0]

    def logs(self) -> dict[str, str]:
        """What each task and its wrapper wrote, by the name of the task, the last try last."""
        found: dict[str, str] = {}
        for run in self.runs():
            name, log = self.name_of(run), run.with_name(".command.log")
            found[name] = found.get(name, "") + (log.read_text() if log.exists() else "")
        return found


@pytest.fixture(scope="session")
def real_nextflow() -> None:
    cached_nextflow.demand()


@pytest.fixture(scope="session")
def two_parsers(real_nextflow: None) -> None:
    version = cached_nextflow.version()
    if version.startswith("24."):
        pytest.skip(f"Nextflow {version} has one parser, and no lint")


def _made(made: Bench) -> Iterator[Bench]:
    made.write("nvinx.yaml", BENCH)
    made.truth.mkdir()
    yield made
    made.family.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from _made(Bench(tmp_path))


@pytest.fixture
def flow(tmp_path: Path, real_nextflow: None) -> Iterator[Flow]:
    yield from _made(Flow(tmp_path))
