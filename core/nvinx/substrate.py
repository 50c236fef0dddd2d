"""What kind of card this is, after upstream nvinx: the kernel-size term belongs to small ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

SubstrateClass = Literal["datacenter", "mobile", "unknown"]

# A gamma of 0.75 on a card of 16 multiprocessors was 0.03 on one of 108 (nvinx 0.3 on PyPI).
_DATACENTER_SMS_ABOVE, _DATACENTER_MB_FROM = 64, 16_000
_MOBILE_SMS_TO, _MOBILE_MB_BELOW = 48, 12_000


@dataclass(frozen=True, slots=True)
class SubstrateInfo:
    """A card and its class; None where the driver does not say. Memory in MB."""

    name: str
    sm_count: int | None
    total_memory_mb: int | None
    compute_capability_major: int | None
    compute_capability_minor: int | None
    substrate_class: SubstrateClass

    def is_datacenter(self) -> bool:
        return self.substrate_class == "datacenter"

    def is_mobile(self) -> bool:
        return self.substrate_class == "mobile"


def classify(sm_count: int | None, total_memory_mb: int | None) -> SubstrateClass:
    """`datacenter`: more than 64 multiprocessors and 16 GB or more. `mobile`: at most 48, or
    less than 12 GB. What is not known decides nothing.
    """
    many = sm_count is not None and sm_count > _DATACENTER_SMS_ABOVE
    large = total_memory_mb is not None and total_memory_mb >= _DATACENTER_MB_FROM
    few = sm_count is not None and sm_count <= _MOBILE_SMS_TO
    small = total_memory_mb is not None and total_memory_mb < _MOBILE_MB_BELOW
    if many and large:
        return "datacenter"
    return "mobile" if few or small else "unknown"


def detect_substrate(device_index: int = 0) -> SubstrateInfo:
    """The card of this number as the driver describes it; `(unknown)` where there is none."""
    from nvinx.gpu import meter

    facts = meter.facts(device_index)
    if facts is None:
        return SubstrateInfo("(unknown)", None, None, None, None, "unknown")
    total_mb = None if facts.total_mib is None else facts.total_mib * 1024 * 1024 // 10**6
    major, minor = facts.compute_capability or (None, None)
    kind = classify(facts.sm_count, total_mb)
    return SubstrateInfo(facts.name, facts.sm_count, total_mb, major, minor, kind)


def warn_if_datacenter_with_nonzero_gamma(
    gamma_kernel_size: float | None, *, device_index: int = 0
) -> None:
    """Warn (RuntimeWarning) when a kernel-size term is used on a card where it misleads."""
    if not gamma_kernel_size:
        return
    card = detect_substrate(device_index)
    if card.is_datacenter():
        warnings.warn(
            f"gamma {gamma_kernel_size} on {card.name}: the kernel-size term was found on small "
            "cards and made predictions worse on large ones; fit it on this card, or leave it out",
            RuntimeWarning,
            stacklevel=2,
        )
