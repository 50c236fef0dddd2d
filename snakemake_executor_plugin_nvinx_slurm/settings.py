"""Our own of the options `--nvinx-slurm-...`; the others are the Slurm plugin's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_executor_plugin_nvinx.settings import CAPS, said


@dataclass
class OwnSettings(ExecutorSettingsBase):
    """Few, because rule hints and the bench file say the rest."""

    bench: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Bench file whose `cluster:` says what cards the nodes have, and whose models "
            "and calibration are used. Default: as for --executor nvinx.",
        ),
    )
    headroom_mb: int | None = field(
        default=None,
        metadata=said(
            int,
            "VRAM in MB of each card that is never given to shared jobs. Default: "
            "headroom_gb of the bench file, else 500.",
        ),
    )
    state_dir: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Folder on a local disk of this machine for the history of runs. Default: as "
            "for --executor nvinx.",
        ),
    )
    node_state_dir: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Folder on each node's own disk through which nvinx programs of one user share "
            "its cards. Default: /tmp/nvinx-UID.",
        ),
    )
    caps: str = field(default="on", metadata=CAPS)
    poll_seconds: int = field(
        default=10, metadata=said(int, "Seconds between two checks of the jobs. Default: 10.")
    )
    profile: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Write what rules ask Slurm for to this file, and run nothing. "
            "`nvinx slurm-profile` uses it.",
        ),
    )
