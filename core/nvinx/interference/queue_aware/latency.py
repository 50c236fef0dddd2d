"""Upstream nvinx's queue-aware latency of two models on a card: one formula, and doors to it.

    partner_frac      = act_partner / (act_self + act_partner)
    kernel_size_ratio = kernel duration of the partner / kernel duration of self
    latency_self      = act_self * (1 + theta_self * partner_frac * (1 + gamma * kernel_size_ratio))
                        + baseidle_self + scheduling delay

Source: nvinx 0.3 on PyPI. `nvinx.interference.SlowdownModel` errs less and needs no kernel counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAIR = 2


@dataclass(frozen=True, slots=True)
class HardwareCoefficients:
    """What a sweep found of one card and driver.

    idlef_polynomial: scheduling delay in ms by the number of co-located models, highest order
    first. powerp_linear: power in watts by load, highest order first.
    """

    idlef_polynomial: tuple[float, ...]
    powerp_linear: tuple[float, ...]
    nominal_freq_mhz: float
    tdp_watts: float
    substrate_name: str = "unknown"

    def scheduling_delay_ms_at_concurrency(self, n_concurrent: int) -> float:
        """Extra ms per inference among that many models; never below 0, and 0 for fewer than 2."""
        if n_concurrent < _PAIR:
            return 0.0
        delay = 0.0
        for coefficient in self.idlef_polynomial:
            delay = delay * n_concurrent + coefficient
        return max(delay, 0.0)


@dataclass(frozen=True, slots=True)
class InterferenceProfile:
    """One model on one card, measured alone; `theta` is None until it was fitted.

    kernels: launched per inference. baseidle_ms, act_solo_ms: ms per inference in which the GPU
    idles and works. l2_saturation_pct: of the L2 cache's peak. power_w: mean watts under load.
    """

    name: str
    kernels: int
    baseidle_ms: float
    act_solo_ms: float
    l2_saturation_pct: float
    k_l2: float = 0.0
    theta: float | None = None
    power_w: float = 0.0
    architecture_class: str = "unknown"

    @property
    def kernel_rate(self) -> float:
        """Kernels per ms of GPU work; 0 where there is no work."""
        return self.kernels / self.act_solo_ms if self.act_solo_ms else 0.0

    @property
    def kernel_duration_ms(self) -> float:
        """Mean ms per kernel; 0 where there is none."""
        return self.act_solo_ms / self.kernels if self.kernels else 0.0


@dataclass(frozen=True, slots=True)
class PairLookupEntry:
    """Measured ms per inference of both models of `pair`, in its order."""

    pair: tuple[str, str]
    measured_latency_a_ms: float
    measured_latency_b_ms: float
    measured_at: str = ""


def kernel_size_ratio(own: InterferenceProfile, partner: InterferenceProfile) -> float:
    """How much longer the partner's kernels are; 0 where either has none."""
    if not own.kernel_duration_ms:
        return 0.0
    return partner.kernel_duration_ms / own.kernel_duration_ms


def latency_ms(
    own: InterferenceProfile,
    partner: InterferenceProfile,
    hw: HardwareCoefficients,
    gamma: float = 0.0,
) -> float:
    """ms per inference of `own` beside `partner`. Raises ValueError when `own` has no theta."""
    if own.theta is None:
        raise ValueError(f"{own.name} has no theta; fit it first (nvinx.calibration.fit_thetas)")
    total = own.act_solo_ms + partner.act_solo_ms
    if not total:
        return 0.0
    queue = own.theta * (partner.act_solo_ms / total)
    if gamma:
        queue *= 1.0 + gamma * kernel_size_ratio(own, partner)
    delay = hw.scheduling_delay_ms_at_concurrency(_PAIR)
    return own.act_solo_ms * (1.0 + queue) + (delay + own.baseidle_ms)


def predict_pair_latency_queue_aware(
    profile_a: InterferenceProfile, profile_b: InterferenceProfile, hw: HardwareCoefficients
) -> tuple[float, float]:
    """ms per inference of both, by theta. Raises ValueError when either has none."""
    return predict_pair_latency_queue_aware_v5(profile_a, profile_b, hw)


def predict_pair_latency_queue_aware_v5(
    profile_a: InterferenceProfile,
    profile_b: InterferenceProfile,
    hw: HardwareCoefficients,
    *,
    gamma_kernel_size: float | None = None,
) -> tuple[float, float]:
    """The same with the kernel-size term; gamma None or 0 leaves it out to the last bit."""
    gamma = gamma_kernel_size or 0.0
    return latency_ms(profile_a, profile_b, hw, gamma), latency_ms(profile_b, profile_a, hw, gamma)


def predict_pair_latency(
    profile_a: InterferenceProfile,
    profile_b: InterferenceProfile,
    hw: HardwareCoefficients,
    *,
    pair_lookup: Mapping[tuple[str, str], PairLookupEntry] | None = None,
    gamma_kernel_size: float | None = None,
) -> tuple[float, float, str]:
    """ms per inference of both, and how that is known: the best of what there is.

    `lookup`: measured. `queue_aware_v5`, `queue_aware`: by the formula, with gamma or without.
    `fallback_unknown`: a theta is missing, and these are the times alone.
    """
    found = lookup_pair_latency((profile_a.name, profile_b.name), pair_lookup or {})
    if found is not None:
        return (*found, "lookup")
    if profile_a.theta is None or profile_b.theta is None:
        return profile_a.act_solo_ms, profile_b.act_solo_ms, "fallback_unknown"
    pair = predict_pair_latency_queue_aware_v5(
        profile_a, profile_b, hw, gamma_kernel_size=gamma_kernel_size
    )
    return (*pair, "queue_aware_v5" if gamma_kernel_size else "queue_aware")


def lookup_pair_latency(
    pair: tuple[str, str], lookup: Mapping[tuple[str, str], PairLookupEntry]
) -> tuple[float, float] | None:
    """The measured ms of both in the order of `pair`, in whichever order they were entered.

    Entered both ways, the sorted one counts. An entry whose own pair names other models is in the
    order of its key. Raises ValueError unless `pair` is two names.
    """
    first, second = sorted(pair)
    for key in ((first, second), (second, first)):
        entry = lookup.get(key)
        if entry is not None:
            order = entry.pair if sorted(entry.pair) == [first, second] else key
            of_a, of_b = entry.measured_latency_a_ms, entry.measured_latency_b_ms
            return (of_a, of_b) if order[0] == pair[0] else (of_b, of_a)
    return None


def max_kernel_rate_score(profiles: Sequence[InterferenceProfile]) -> float:
    """The highest kernel rate among them, in kernels per ms; 0 for none. High means contention."""
    return max((profile.kernel_rate for profile in profiles), default=0.0)


def asymmetry_predictor(profile_a: InterferenceProfile, profile_b: InterferenceProfile) -> float:
    """Longer over shorter time alone; the shorter one suffers more. Infinite when one is 0."""
    short, long = sorted((profile_a.act_solo_ms, profile_b.act_solo_ms))
    return long / short if short else float("inf")
