"""Measuring one pair, under the import path that nvinx 0.3 had for it."""

from nvinx.calibration.queue_aware.profile import validate_pair

__all__ = ["validate_pair"]
