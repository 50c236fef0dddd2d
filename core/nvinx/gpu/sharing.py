"""How processes share a card right now: by time slices, through MPS, or as MIG devices."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTROL = "nvidia-cuda-mps-control"
_PIPES = "/tmp/nvidia-mps"  # CUDA's own default
_PATIENCE_S = 2.0


def sharing_mode(card_id: str, environ: Mapping[str, str] | None = None) -> str:
    """`mig`, `mps` or `time-slicing`.

    MPS counts only when its daemon answers: without one, programs silently run without MPS.
    """
    if card_id.startswith("MIG-"):
        return "mig"
    environ = os.environ if environ is None else environ
    return "mps" if _mps_answers(environ) else "time-slicing"


def _mps_answers(environ: Mapping[str, str]) -> bool:
    control = shutil.which(_CONTROL, path=environ.get("PATH"))
    pipes = Path(environ.get("CUDA_MPS_PIPE_DIRECTORY", _PIPES))
    if control is None or not pipes.is_dir():
        return False
    try:
        asked = subprocess.run(
            [control],
            input=b"get_server_list\n",
            capture_output=True,
            timeout=_PATIENCE_S,
            env=dict(environ),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
