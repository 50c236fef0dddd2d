"""A real Nextflow from Maven Central, and a bench with one simulated card that its tasks share."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cached_nextflow
import pytest
from bench_folder import BenchFolder
from family import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BENCH = (
    "hardware: {cpu_cores: 8, ram_gb: 8, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n"
    "models: [{name: esm, vram_gb: 0.9, residency: gpu_shared}]\n"
)
GPU_PROGRAM = str(ROOT / "tests/crash/programs/gpu.py")
NEXTFLOW = str(cached_nextflow.PROGRAM)


class Bench(BenchFolder):
    """A bench at which `gpu.py` of the crash tests uses the card, and notes what it sees."""

    @property
    def truth(self) -> Path:
        """Where it notes what ran, and whether the card was overbooked."""
        return self.folder / "truth"

    def environment(self) -> dict[str, str]:
        return {
            "NXF_HOME": str(self.folder / "home"),
            "TRUTH": str(self.truth),
            "GPU": f"{sys.executable} {GPU_PROGRAM}",
            **super().environment(),
        }

    def programs(self) -> list[psutil.Process]:
        """The living programs that use the card."""
        return [one for one in self.family.living() if words(one)[1:2] == [GPU_PROGRAM]]

    def ran(self) -> list[str]:
        file = self.truth / "ran"
        return file.read_text().split() if file.exists() else []

    def overbooked(self) -> list[object]:
        file = self.truth / "overbooked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


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
