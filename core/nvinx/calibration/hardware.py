"""Measuring a card's coefficients, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.hardware import sweep_hardware

__all__ = ["sweep_hardware"]
