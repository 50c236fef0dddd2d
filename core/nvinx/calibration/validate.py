"""Import path of nvinx 0.3: measuring one pair."""

from nvinx.calibration.queue_aware.profile import validate_pair

__all__ = ["validate_pair"]
