"""nvinx: keep one small GPU, its CPU and its RAM busy at the same time."""

from typing import TYPE_CHECKING

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
from nvinx.overflow.split import plan_overflow
from nvinx.patterns import (
    fractional_coresidency,
    fractional_coresidency_v2,
    ram_overflow,
    serial_handoff,
)
from nvinx.substrate import SubstrateInfo, detect_substrate, warn_if_datacenter_with_nonzero_gamma

if TYPE_CHECKING:
    from nvinx.leases.lease import lease

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


def __getattr__(name: str) -> object:
    """What is looked up when it is asked for, since that takes a while or touches the machine."""
    if name == "lease":
        from nvinx.leases.lease import lease

        return lease
    if name != "__version__":
        raise AttributeError(f"module 'nvinx' has no attribute {name!r}")
    from importlib.metadata import version

    return version("snakemake-executor-plugin-nvinx")
