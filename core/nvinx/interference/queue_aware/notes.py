"""What is said of interference beside a placement, in upstream nvinx's form. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from nvinx.interference.queue_aware.latency import (
    asymmetry_predictor,
    lookup_pair_latency,
    max_kernel_rate_score,
    predict_pair_latency,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nvinx.interference.queue_aware.latency import (
        HardwareCoefficients,
        InterferenceProfile,
        PairLookupEntry,
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of interference on this card; None or empty where nothing is."""

    profiles: Mapping[str, InterferenceProfile]
    hw: HardwareCoefficients | None = None
    pairs: Mapping[tuple[str, str], PairLookupEntry] | None = None
    gamma: float | None = None


def notes(placed: Sequence[str], known: Known, most_kernel_rate: float | None) -> Iterator[str]:
    """A line on the kernel rate, one if it is above `most_kernel_rate`, and one a pair."""
    there = [(name, known.profiles[name]) for name in placed if name in known.profiles]
    if not there:
        return
    rate = max_kernel_rate_score([profile for _, profile in there])
    yield (
        f"interference: max_kernel_rate={rate:.1f} k/ms "
        f"({len(there)}/{len(placed)} placed models have profiles)"
    )
    if most_kernel_rate is not None and rate > most_kernel_rate:
        yield (
            f"interference: WARNING max_kernel_rate {rate:.1f} > threshold "
            f"{most_kernel_rate:.1f}; expect queue contention"
        )
    for (name_a, a), (name_b, b) in combinations(there, 2):
        # Measured under the names of the placed models, or of the profiles that stand for them.
        found = _measured((name_a, name_b), known) or _measured((a.name, b.name), known)
        text = _pair(a, b, found, known)
        if text:
            yield f"interference: pair({name_a}+{name_b}) {text}"


def _measured(pair: tuple[str, str], known: Known) -> tuple[float, float] | None:
    return lookup_pair_latency(pair, known.pairs or {})


def _pair(
    a: InterferenceProfile,
    b: InterferenceProfile,
    found: tuple[float, float] | None,
    known: Known,
) -> str | None:
    if known.hw is None:
        return found and f"meas_lat=({found[0]:.1f}, {found[1]:.1f})ms via lookup"
    of_a, of_b, source = (
        (*found, "lookup")
        if found
        else predict_pair_latency(a, b, known.hw, gamma_kernel_size=known.gamma)
    )
    asymmetry = asymmetry_predictor(a, b)
    return f"pred_lat=({of_a:.1f}, {of_b:.1f})ms via {source}; asymmetry={asymmetry:.2f}"
