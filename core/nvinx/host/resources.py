"""What this process may use of the machine: its cores and RAM."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nvinx.sizes import capacity_mib


def detect() -> Machine:
    """The cores this process may use, and the machine's RAM."""
    import psutil

    cores = len(os.sched_getaffinity(0))
    return Machine(cores=cores, ram_mib=capacity_mib(psutil.virtual_memory().total))


def ram_left_mib() -> int:
    """RAM that programs may take right now without swapping, in MiB."""
    import psutil

    return capacity_mib(psutil.virtual_memory().available)


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use of the machine, GPUs aside."""

    cores: int
    ram_mib: int
