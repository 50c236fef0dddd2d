"""Who slows whom on a shared card: the default model, and upstream nvinx's queue-aware formulas."""

from nvinx.interference.slowdown import CoRun, Prediction, Provenance, SlowdownModel, Trait

__all__ = ["CoRun", "Prediction", "Provenance", "SlowdownModel", "Trait"]
