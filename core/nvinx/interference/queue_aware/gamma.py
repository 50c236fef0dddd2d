"""Fits the weight of the kernel-size term. Pure, in closed form."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from nvinx.interference.queue_aware.latency import kernel_size_ratio, latency_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nvinx.interference.queue_aware.latency import HardwareCoefficients, InterferenceProfile

PairMeasurement = tuple[str, str, float, float]
FEWEST_PAIRS = 6


def fit_gamma_kernel_size(
    profiles: Mapping[str, InterferenceProfile],
    pair_measurements: Sequence[PairMeasurement],
    hw: HardwareCoefficients,
) -> float:
    """gamma by least squares of relative errors, each theta as it is.

    pair_measurements: (name a, name b, ms of a, ms of b), co-located. Raises ValueError when there
    are none, a model is unknown or has no theta, a time is not positive, or nothing depends on
    gamma. Warns (RuntimeWarning) below six pairs, where the result says little.
    """
    if not pair_measurements:
        raise ValueError("there is no pair to fit gamma to; measure at least six")
    if len(pair_measurements) < FEWEST_PAIRS:
        text = f"gamma from {len(pair_measurements)} pairs says little; measure {FEWEST_PAIRS}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    above = below = 0.0
    for own, partner, observed in _sides(profiles, pair_measurements):
        plain = latency_ms(own, partner, hw)
        slope = (
            latency_ms(own, partner, hw, 1.0) - plain if kernel_size_ratio(own, partner) else 0.0
        )
        above += slope * (observed - plain) / observed**2
        below += (slope / observed) ** 2
    if not below:
        raise ValueError("no pair depends on gamma: kernels, times or thetas are 0")
    return above / below


def _sides(
    profiles: Mapping[str, InterferenceProfile], pair_measurements: Sequence[PairMeasurement]
) -> Iterator[tuple[InterferenceProfile, InterferenceProfile, float]]:
    """Both sides of each pair: whose time, beside whom, ms."""
    for name_a, name_b, ms_a, ms_b in pair_measurements:
        for name in (name_a, name_b):
            if name not in profiles:
                raise ValueError(f"pair {name_a} + {name_b}: there is no profile of {name}")
        if ms_a <= 0 or ms_b <= 0:
            raise ValueError(f"pair {name_a} + {name_b}: times must be above 0: {ms_a}, {ms_b}")
        yield profiles[name_a], profiles[name_b], ms_a
        yield profiles[name_b], profiles[name_a], ms_b
