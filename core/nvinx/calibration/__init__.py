"""Calibration: measure who slows whom, fit models to it, and say how wrong they are."""

from nvinx.calibration.crossval import CrossValidation, HeldOut, Summary, cross_validate
from nvinx.calibration.queue_aware.hardware import sweep_hardware
from nvinx.calibration.queue_aware.profile import profile_model, validate_pair
from nvinx.calibration.queue_aware.run import run_calibration
from nvinx.calibration.queue_aware.targets import CalibrationResult, ProfileTarget
from nvinx.calibration.queue_aware.theta import (
    apply_thetas,
    fit_thetas,
    fit_v5,
    lopo_cross_validate,
)
from nvinx.interference.fit import fit_slowdown_model

__all__ = [
    "CalibrationResult",
    "CrossValidation",
    "HeldOut",
    "ProfileTarget",
    "Summary",
    "apply_thetas",
    "cross_validate",
    "fit_slowdown_model",
    "fit_thetas",
    "fit_v5",
    "lopo_cross_validate",
    "profile_model",
    "run_calibration",
    "sweep_hardware",
    "validate_pair",
]
