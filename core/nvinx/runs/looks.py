"""How a job looks in every picture: its colour and name by how it has the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.runs.read import Ran

# Okabe and Ito's colours, which colour-blind people can tell apart, on light and on dark.
COLOURS = {
    "gpu_shared": "#0072b2",
    "gpu_exclusive": "#d55e00",
    "gpu_ram_overflow": "#cc79a7",
    "cpu_only": "#009e73",
}
NAMES = {
    "gpu_shared": "shares the card",
    "gpu_exclusive": "has the card to itself",
    "gpu_ram_overflow": "spills to RAM",
    "cpu_only": "on the CPU",
}
INK = "#808080"  # readable on white and on black
FAILED = "#e00000"


def residency(job: Ran) -> str:
    return str((job.placement or {}).get("residency", "cpu_only"))


def waiting(jobs: list[Ran]) -> tuple[list[float], list[int]]:
    """At which seconds the number of waiting jobs changes, and what it is from then on."""
    changes: dict[float, int] = {0.0: 0}
    for job in jobs:
        if job.started_s is not None and job.started_s > job.submitted_s:
            changes[job.submitted_s] = changes.get(job.submitted_s, 0) + 1
            changes[job.started_s] = changes.get(job.started_s, 0) - 1
    times, counts, number = [], [], 0
    for at in sorted(changes):
        number += changes[at]
        times.append(at)
        counts.append(number)
    return times, counts
