"""Fitting thetas, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.targets import CalibrationResult
from nvinx.calibration.queue_aware.theta import (
    apply_thetas,
    fit_thetas,
    fit_v5,
    lopo_cross_validate,
)

__all__ = ["CalibrationResult", "apply_thetas", "fit_thetas", "fit_v5", "lopo_cross_validate"]
