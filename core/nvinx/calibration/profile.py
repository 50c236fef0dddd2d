"""Import path of nvinx 0.3: profiling one model."""

from nvinx.calibration.queue_aware.profile import profile_model
from nvinx.calibration.queue_aware.targets import ProfileTarget

__all__ = ["ProfileTarget", "profile_model"]
