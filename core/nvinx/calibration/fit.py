"""Import path of nvinx 0.3: fitting thetas."""

from nvinx.calibration.queue_aware.targets import CalibrationResult
from nvinx.calibration.queue_aware.theta import (
    apply_thetas,
    fit_thetas,
    fit_v5,
    lopo_cross_validate,
)

__all__ = ["CalibrationResult", "apply_thetas", "fit_thetas", "fit_v5", "lopo_cross_validate"]
