"""This machine: its cores and RAM, and the bench that is in force on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nvinx.bench import file as bench_file
from nvinx.bench.resolve import Bench, Machine, resolve
from nvinx.gpu.nvml import NvmlProbe
from nvinx.sizes import capacity_mib

if TYPE_CHECKING:
    from pathlib import Path


def detect() -> Machine:
    """The cores this process may use, and the machine's RAM."""
    import psutil

    cores = len(os.sched_getaffinity(0))
    return Machine(cores=cores, ram_mib=capacity_mib(psutil.virtual_memory().total))


def ram_left_mib() -> int:
    """RAM that programs may take right now without swapping, in MiB."""
    import psutil

    return capacity_mib(psutil.virtual_memory().available)


def bench(
    explicit: Path | None = None,
    workflow_dir: Path | None = None,
    headroom_mb: int | None = None,
) -> Bench:
    """The bench in force here.

    Raises BenchError when its file or a headroom cannot be used, ModelFileError when the slowdown
    model that it names cannot.
    """
    path = bench_file.find(explicit, workflow_dir, os.environ)
    file = None if path is None else bench_file.load(path)
    slowdowns = None if file is None else bench_file.slowdowns(file)
    look = NvmlProbe().look()
    return resolve(file, detect(), look, headroom_mb=headroom_mb, slowdowns=slowdowns)
