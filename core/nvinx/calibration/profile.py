"""Profiling one model, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.profile import profile_model
from nvinx.calibration.queue_aware.targets import ProfileTarget

__all__ = ["ProfileTarget", "profile_model"]
