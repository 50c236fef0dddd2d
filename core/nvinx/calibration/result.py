"""What a calibration gives, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.targets import CalibrationResult

__all__ = ["CalibrationResult"]
