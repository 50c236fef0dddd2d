"""How many processes the kernel has killed for lack of RAM: to be asked before and after a job."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/vmstat")
_NAME = "oom_kill"


def count(counters: Path = _COUNTERS) -> int | None:
    """Since the machine was started, in all its cgroups; None where the kernel does not say.

    Unlike the kernel's log it is open to everybody. Source: proc(5), Linux 4.13 and newer.
    """
    try:
        _, found, rest = f"\n{counters.read_text(encoding='utf-8')}".partition(f"\n{_NAME} ")
        return int(rest.partition("\n")[0]) if found else None
    except (OSError, ValueError):
        return None


def since(before: int | None) -> int | None:
    """How many there were since `before` was counted; None where that cannot be known."""
    now = None if before is None else count()
    return None if now is None or before is None else now - before
