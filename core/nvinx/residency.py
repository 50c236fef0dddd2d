"""The ways in which a job may use a card, or do without. Pure."""

from __future__ import annotations

from enum import Enum


class Residency(Enum):
    """Where a job wants to live."""

    GPU_EXCLUSIVE = "gpu_exclusive"
    GPU_SHARED = "gpu_shared"
    CPU_ONLY = "cpu_only"
    GPU_RAM_OVERFLOW = "gpu_ram_overflow"

    @property
    def uses_gpu(self) -> bool:
        return self is not Residency.CPU_ONLY

    @property
    def needs_vram(self) -> bool:
        """Whether a size must be known: without one there is nothing to share or to split."""
        return self in (Residency.GPU_SHARED, Residency.GPU_RAM_OVERFLOW)

    @property
    def shares_card(self) -> bool:
        """Whether others may use the card meanwhile; a job that spills holds it alone."""
        return self is Residency.GPU_SHARED
