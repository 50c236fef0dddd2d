"""Who slows whom on a shared card: the default model, and upstream nvinx's queue-aware formulas."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.interference.model_file import load_slowdown_model, save_slowdown_model
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
    "load_slowdown_model",
    "lookup_pair_latency",
    "max_kernel_rate_score",
    "predict_pair_latency",
    "predict_pair_latency_queue_aware",
    "predict_pair_latency_queue_aware_v5",
    "save_slowdown_model",
]

_IN = {
    "model_file": ("load_slowdown_model", "save_slowdown_model"),
    "queue_aware.gamma": ("fit_gamma_kernel_size",),
    "slowdown": ("CoRun", "Prediction", "Provenance", "SlowdownModel", "Trait"),
}
_ELSE = "queue_aware.latency"


def __getattr__(name: str) -> object:
    """Looked up when it is asked for: a program that starts needs little of it."""
    if name not in __all__:
        raise AttributeError(f"module 'nvinx.interference' has no attribute {name!r}")
    module = next((module for module, names in _IN.items() if name in names), _ELSE)
    found: object = getattr(import_module(f"nvinx.interference.{module}"), name)
    return found
