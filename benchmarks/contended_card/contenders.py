"""Who runs on the contended card: the command, environment and bench file of each run.

Runs go in the order of CONTENDERS. Those that name the same `state` share one state folder.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
CORES = ("--cores", "8")
BENCH = """\
hardware: {cpu_cores: 8, gpus: [{name: the card, vram_gb: 4.0, simulated: true}]}
models: [{name: small, vram_gb: 0.9, residency: gpu_shared}]
"""
# What a calibration of the hot card would have measured: beside one other, three times as slow.
CALIBRATED = "interference: {pairs: [{a: small, b: small, slowdown_a: 3, slowdown_b: 3}]}\n"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One run: a Snakemake command line, or options for gpusched."""

    name: str
    label: str
    arguments: tuple[str, ...]  # "{state}" stands for the state folder
    config: tuple[str, ...] = ()  # of the Snakefile
    gpusched: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    bench: Mapping[str, str] = field(default_factory=dict)  # text of nvinx.yaml by set
    state: str = ""  # a folder of its own unless named
    needs: str = "snakemake"  # module
    package: str = "snakemake"

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return None if find_spec(self.needs) else f"not installed (pip install {self.package})"

    def state_folder(self, base: Path) -> Path:
        """Where it keeps what it knows; another run may have been there before."""
        return base / f"state-{self.state or self.name}"

    def command(self, state: Path, actual_mb: int) -> list[str]:
        """Its command line where small jobs take so much VRAM."""
        arguments = [argument.format(state=state) for argument in self.arguments]
        if self.gpusched:
            program = str(HERE / "gpusched_jobs.py")
            return [sys.executable, program, str(actual_mb), *arguments]
        command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--keep-going", *CORES]
        config = [*self.config, f"actual_mb={actual_mb}", f"python={sys.executable}"]
        return [*command, *arguments, "--config", *config]


# In their favour: gpusched looks every 0.2 s (5 by default), and without its margin of 512 MiB,
# with which it refuses the long job.
GPUSCHED = ("--margin", "0", "--poll", "0.2")
VRAM = ("--resources", "vram_mb=4000")
TOLD = {"cool": BENCH, "hot": BENCH + CALIBRATED}
UNTOLD = {"cool": BENCH, "hot": BENCH}
NVINX = {
    "arguments": ("--executor", "nvinx", "--jobs", "100"),
    "config": ("rules=nvinx",),
    "needs": "snakemake_executor_plugin_nvinx",
    "package": "snakemake-executor-plugin-nvinx",
}

CONTENDERS = (
    Contender(
        name="stock-gpu",
        label="stock, gpu=1",
        arguments=("--resources", "gpu=1"),
        config=("rules=gpu",),
    ),
    Contender(
        name="stock-vram",
        label="stock, vram_mb",
        arguments=VRAM,
        config=("rules=vram",),
    ),
    Contender(
        name="stock-priority",
        label="stock, vram_mb, priority",
        arguments=VRAM,
        config=("rules=vram", "long_priority=1"),
    ),
    Contender(
        name="shared-local",
        label="shared-local, vram_mb",
        arguments=(
            *("--executor", "shared-local", *VRAM),
            *("--shared-local-pool-cores", "8", "--shared-local-dir", "{state}"),
        ),
        config=("rules=vram",),
        needs="snakemake_executor_plugin_shared_local",
        package="snakemake-executor-plugin-shared-local",
    ),
    Contender(
        name="gpusched-packed",
        label="gpusched, packed",
        arguments=GPUSCHED,
        gpusched=True,
        needs="gpusched",
        package="gpusched",
    ),
    Contender(
        name="gpusched-exclusive",
        label="gpusched, exclusive",
        arguments=(*GPUSCHED, "--exclusive"),
        gpusched=True,
        needs="gpusched",
        package="gpusched",
    ),
    Contender(name="nvinx", label="nvinx, calibrated", bench=TOLD, **NVINX),
    Contender(
        name="nvinx-first", label="nvinx, told nothing", bench=UNTOLD, state="untold", **NVINX
    ),
    Contender(
        name="nvinx-second", label="nvinx, its second run", bench=UNTOLD, state="untold", **NVINX
    ),
    Contender(
        name="nvinx-third", label="nvinx, its third run", bench=UNTOLD, state="untold", **NVINX
    ),
)
