"""Upstream nvinx's words for a calibration: what is profiled, and what comes out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.interference.queue_aware.gamma import PairMeasurement
    from nvinx.interference.queue_aware.latency import HardwareCoefficients, InterferenceProfile


@dataclass
class ProfileTarget:
    """A loaded model: `inference_fn(sample_input)` is one inference.

    loader_code: Python source that defines both names, which Nsight Compute runs in a process of
    its own; empty where nobody asks for L2 figures. canonical_batch: batch size of the sample.
    """

    name: str
    inference_fn: Callable[[Any], Any]
    sample_input: Any
    loader_code: str = ""
    canonical_batch: int = 1


@dataclass(frozen=True)
class CalibrationResult:
    """What `run_calibration` found; errors in percent, leaving one pair out.

    pair_measurements: (name a, name b, ms of a, ms of b), co-located. The figures of the
    kernel-size term are None where it was not fitted.
    """

    hw_coefs: HardwareCoefficients
    profiles: dict[str, InterferenceProfile]
    pair_measurements: list[PairMeasurement]
    lopo_mean_pct: float
    lopo_max_pct: float
    gamma_kernel_size: float | None = None
    lopo_mean_pct_v5: float | None = None
    lopo_max_pct_v5: float | None = None
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return asdict(self)
