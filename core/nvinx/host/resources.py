"""What this process may use of the machine: its cores and RAM."""

from __future__ import annotations

import os

from msgspec import Struct


def detect() -> Machine:
    """The cores this process may use, and the machine's RAM."""
    return Machine(cores=len(os.sched_getaffinity(0)), ram_mib=_memory_mib("MemTotal"))


def ram_left_mib() -> int:
    """RAM that programs may take right now without swapping, in MiB."""
    return _memory_mib("MemAvailable")


def _memory_mib(what: str) -> int:
    """A line of /proc/meminfo; `psutil` tells the same, and takes longer to load than all of us."""
    with open("/proc/meminfo", encoding="utf-8") as lines:
        kib = next(line.split()[1] for line in lines if line.startswith(f"{what}:"))
    return int(kib) // 1024


class Machine(Struct, frozen=True):
    """What this process may use of the machine, GPUs aside."""

    cores: int
    ram_mib: int
