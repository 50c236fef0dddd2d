"""Import path of nvinx 0.3: a whole calibration."""

from nvinx.calibration.queue_aware.run import run_calibration

__all__ = ["run_calibration"]
