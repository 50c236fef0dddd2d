"""nvinx: keep one small GPU, its CPU and its RAM busy at the same time."""

from nvinx.catalog import HardwareSpec, ModelSpec, Residency, SchedulingPlan
from nvinx.patterns import fractional_coresidency, ram_overflow, serial_handoff

__all__ = [
    "HardwareSpec",
    "ModelSpec",
    "Residency",
    "SchedulingPlan",
    "fractional_coresidency",
    "ram_overflow",
    "serial_handoff",
]
