"""The shell text with which a task's wrapper takes a lease, or one that is held for it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nvinx.nextflow import handover, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.nextflow.handover import LeaseFile


def text(state_dir: Path) -> str:
    """For a task that asks for itself. Raises StateDirError."""
    return f"{_about(handover.new_lease_file(state_dir))}{_functions()}nvinx_acquire\n"


def text_to_adopt(file: LeaseFile) -> str:
    """For a task whose lease this process holds."""
    return f"{_about(file)}nvinx_holder={os.getpid()}\n{_functions()}nvinx_adopt\n"


def _about(file: LeaseFile) -> str:
    containers = shipped.file(shipped.CONTAINERS).parent
    return (
        f"nvinx_file={shlex.quote(str(file.path))}\n"
        f"nvinx_containers={shlex.quote(str(containers))}\n"
    )


def _functions() -> str:
    return shipped.file(shipped.GUARD).read_text(encoding="utf-8")
