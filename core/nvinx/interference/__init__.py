"""Who slows whom on a shared card: the default model, and upstream nvinx's queue-aware formulas."""

from nvinx.interference.queue_aware.gamma import fit_gamma_kernel_size
from nvinx.interference.queue_aware.latency import (
    HardwareCoefficients,
    InterferenceProfile,
    PairLookupEntry,
    asymmetry_predictor,
    lookup_pair_latency,
    max_kernel_rate_score,
    predict_pair_latency,
    predict_pair_latency_queue_aware,
    predict_pair_latency_queue_aware_v5,
)
from nvinx.interference.slowdown import CoRun, Prediction, Provenance, SlowdownModel, Trait

__all__ = [
    "CoRun",
    "HardwareCoefficients",
    "InterferenceProfile",
    "PairLookupEntry",
    "Prediction",
    "Provenance",
    "SlowdownModel",
    "Trait",
    "asymmetry_predictor",
    "fit_gamma_kernel_size",
    "lookup_pair_latency",
    "max_kernel_rate_score",
    "predict_pair_latency",
    "predict_pair_latency_queue_aware",
    "predict_pair_latency_queue_aware_v5",
]
