"""A whole calibration, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.run import run_calibration

__all__ = ["run_calibration"]
