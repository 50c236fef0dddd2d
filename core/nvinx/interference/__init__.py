"""Who slows whom on a shared card: the default model, and upstream nvinx's queue-aware formulas."""

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from nvinx.interference.model_file import load_slowdown_model, save_slowdown_model

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
    "load_slowdown_model",
    "lookup_pair_latency",
    "max_kernel_rate_score",
    "predict_pair_latency",
    "predict_pair_latency_queue_aware",
    "predict_pair_latency_queue_aware_v5",
    "save_slowdown_model",
]


def __getattr__(name: str) -> object:
    """What reads and writes files, looked up when it is asked for: its imports take a while."""
    if name not in ("load_slowdown_model", "save_slowdown_model"):
        raise AttributeError(f"module 'nvinx.interference' has no attribute {name!r}")
    from nvinx.interference import model_file

    found: object = getattr(model_file, name)
    return found
