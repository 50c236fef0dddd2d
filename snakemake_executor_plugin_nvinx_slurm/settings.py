"""Our own of the options `--nvinx-slurm-...`; the others are the Slurm plugin's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase


@dataclass
class OwnSettings(ExecutorSettingsBase):
    """Few, because rule hints and the bench file say the rest."""

    bench: Path | None = field(
        default=None,
        metadata={
            "help": "Bench file whose `cluster:` says what cards the nodes have, and whose models "
            "and calibration count. Default: as for --executor nvinx.",
            "type": Path,
        },
    )
    headroom_mb: int | None = field(
        default=None,
        metadata={
            "help": "VRAM in MB of each card that shared jobs never get. Default: headroom_gb of "
            "the bench file, else 500.",
            "type": int,
        },
    )
    state_dir: Path | None = field(
        default=None,
        metadata={
            "help": "Folder on a local disk of this machine for the history of runs. Default: as "
            "for --executor nvinx.",
            "type": Path,
        },
    )
    node_state_dir: Path | None = field(
        default=None,
        metadata={
            "help": "Folder on each node's own disk where nvinx programs of one user meet. "
            "Default: /tmp/nvinx-UID.",
            "type": Path,
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
    poll_seconds: int = field(
        default=10,
        metadata={"help": "Seconds between two looks at the jobs. Default: 10.", "type": int},
    )
    profile: Path | None = field(
        default=None,
        metadata={
            "help": "Write what rules ask Slurm for to this file, and run nothing. "
            "`nvinx slurm-profile` uses it.",
            "type": Path,
        },
    )
