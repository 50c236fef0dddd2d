"""Time that every process of the machine agrees on, and that no one can set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


def boot_seconds() -> float:
    """Seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def asleep_seconds() -> float:
    """For how long the machine has slept since boot."""
    return boot_seconds() - time.clock_gettime(time.CLOCK_MONOTONIC)


def boot_id() -> str:
    """Which boot this is: what was written under another one is void."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


class Clock(Protocol):
    def __call__(self) -> float:
        """Seconds since boot, the same for every process of the machine."""
        ...
