"""The options `--nvinx-...` of the executor."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Few, because rule hints and the bench file say the rest."""

    bench: Path | None = field(
        default=None,
        metadata={
            "help": "Bench file (nvinx.yaml) that describes the GPU, RAM, cores and models. "
            "Default: $NVINX_BENCH, else nvinx.yaml beside the Snakefile, else the user's config "
            "folder, else the machine as it is.",
            "type": Path,
        },
    )
    headroom_mb: int | None = field(
        default=None,
        metadata={
            "help": "VRAM in MB that is never handed out to shared jobs. Default: headroom_gb of "
            "the bench file, else 500 on a real card and 0 on a simulated one.",
            "type": int,
        },
    )
    state_dir: Path | None = field(
        default=None,
        metadata={
            "help": "Folder on a local disk where all nvinx programs of this machine meet to share "
            "the card. Default: $NVINX_STATE_DIR, else the user's state folder.",
            "type": Path,
        },
    )
    patience: int = field(
        default=60,
        metadata={
            "help": "Seconds for which younger jobs may overtake a job that does not fit yet; then "
            "the card is kept for it. Default: 60.",
            "type": int,
        },
    )
    caps: str = field(
        default="on",
        metadata={
            "help": "Hold PyTorch, JAX and CuPy to the VRAM that a shared job declares (on), or "
            "not (off). Default: on.",
            "type": str,
            "choices": ["on", "off"],
        },
    )
    workload: Path | None = field(
        default=None,
        metadata={
            "help": "Write the jobs to this file, as a workload for `nvinx simulate`, and run "
            "nothing. `nvinx plan` uses it.",
            "type": Path,
        },
    )
