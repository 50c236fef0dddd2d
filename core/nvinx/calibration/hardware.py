"""Import path of nvinx 0.3: measuring a card's coefficients."""

from nvinx.calibration.queue_aware.hardware import sweep_hardware

__all__ = ["sweep_hardware"]
