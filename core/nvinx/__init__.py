"""nvinx: keep one small GPU, its CPU and its RAM busy at the same time."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.catalog import HardwareSpec, ModelSpec, Residency, SchedulingPlan
    from nvinx.interference import (
        CoRun,
        HardwareCoefficients,
        InterferenceProfile,
        PairLookupEntry,
        Prediction,
        SlowdownModel,
        asymmetry_predictor,
        fit_gamma_kernel_size,
        lookup_pair_latency,
        max_kernel_rate_score,
        predict_pair_latency,
        predict_pair_latency_queue_aware,
        predict_pair_latency_queue_aware_v5,
    )
    from nvinx.leases.lease import lease
    from nvinx.overflow.split import plan_overflow
    from nvinx.patterns import (
        fractional_coresidency,
        fractional_coresidency_v2,
        ram_overflow,
        serial_handoff,
    )
    from nvinx.substrate import (
        SubstrateInfo,
        detect_substrate,
        warn_if_datacenter_with_nonzero_gamma,
    )

    __version__: str

__all__ = [
    "CoRun",
    "HardwareCoefficients",
    "HardwareSpec",
    "InterferenceProfile",
    "ModelSpec",
    "PairLookupEntry",
    "Prediction",
    "Residency",
    "SchedulingPlan",
    "SlowdownModel",
    "SubstrateInfo",
    "asymmetry_predictor",
    "detect_substrate",
    "fit_gamma_kernel_size",
    "fractional_coresidency",
    "fractional_coresidency_v2",
    "lease",
    "lookup_pair_latency",
    "max_kernel_rate_score",
    "plan_overflow",
    "predict_pair_latency",
    "predict_pair_latency_queue_aware",
    "predict_pair_latency_queue_aware_v5",
    "ram_overflow",
    "serial_handoff",
    "warn_if_datacenter_with_nonzero_gamma",
]

# What people import, and where it is looked up when it is asked for: a command such as `nvinx run`
# needs little of it, and is started often.
_MODULES = ("catalog", "interference", "patterns", "substrate")
_PLACES = {"lease": "leases.lease", "plan_overflow": "overflow.split"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("snakemake-executor-plugin-nvinx")
    if name in _MODULES:
        return import_module(f"nvinx.{name}")
    if name in _PLACES:
        return getattr(import_module(f"nvinx.{_PLACES[name]}"), name)
    if name in __all__:
        for module in map(import_module, (f"nvinx.{module}" for module in _MODULES)):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'nvinx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_MODULES])
