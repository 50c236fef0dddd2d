"""The public words for a bench and the models on it. Sizes here are GB, as people state them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nvinx.residency import Residency

__all__ = ["HardwareSpec", "ModelSpec", "Residency", "SchedulingPlan"]

if TYPE_CHECKING:
    from nvinx.reasons import Reason


@dataclass
class HardwareSpec:
    """One bench: VRAM and RAM in GB, CPU cores as a count. Raises ValueError on negative sizes."""

    vram_gb: float
    ram_gb: float
    cpu_cores: int

    def __post_init__(self) -> None:
        for name in ("vram_gb", "ram_gb", "cpu_cores"):
            _not_negative(f"HardwareSpec.{name}", getattr(self, name))


@dataclass
class ModelSpec:
    """A model and what it needs, in GB. Raises ValueError on negative sizes."""

    name: str
    vram_gb: float
    residency: Residency
    cpu_fallback_supported: bool = False
    ram_overflow_supported: bool = False
    ram_gb_needed: float | None = None

    def __post_init__(self) -> None:
        _not_negative(f"model {self.name}: vram_gb", self.vram_gb)
        if self.ram_gb_needed is not None:
            _not_negative(f"model {self.name}: ram_gb_needed", self.ram_gb_needed)


@dataclass
class SchedulingPlan:
    """Which model goes where, with a sentence (`notes`) and a typed reason for each choice."""

    gpu_foreground: ModelSpec | None = None
    gpu_coresident: list[ModelSpec] = field(default_factory=list)
    cpu_parallel: list[ModelSpec] = field(default_factory=list)
    overflow: list[ModelSpec] = field(default_factory=list)
    unscheduled: list[ModelSpec] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)


def _not_negative(what: str, value: float) -> None:
    if value < 0:
        raise ValueError(f"{what} must not be negative, got {value}")
