"""Calibration: measure who slows whom, fit models to it, and say how wrong they are."""

from nvinx.calibration.crossval import CrossValidation, HeldOut, Summary, cross_validate
from nvinx.calibration.fit import fit_slowdown_model

__all__ = [
    "CrossValidation",
    "HeldOut",
    "Summary",
    "cross_validate",
    "fit_slowdown_model",
]
