"""Import path of nvinx 0.3: what a calibration gives."""

from nvinx.calibration.queue_aware.targets import CalibrationResult

__all__ = ["CalibrationResult"]
