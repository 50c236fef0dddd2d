"""Fits upstream nvinx's theta and gamma to measured pairs, and says how wrong they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nvinx.host import extras
from nvinx.interference.queue_aware.latency import latency_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nvinx.interference.queue_aware.gamma import PairMeasurement
    from nvinx.interference.queue_aware.latency import HardwareCoefficients, InterferenceProfile

NEEDS = ("scipy", "calibrate", "fitting theta")
_START_THETA, _START_GAMMA = 1.0, 0.5
_FEWEST_TO_LEAVE_ONE_OUT = 2


def fit_thetas(
    profiles: Mapping[str, InterferenceProfile],
    pair_measurements: Sequence[PairMeasurement],
    hw: HardwareCoefficients,
) -> dict[str, float]:
    """theta of every profile by least squares of relative errors, none below 0.

    pair_measurements: (name a, name b, ms of a, ms of b), co-located. Raises ValueError when there
    are none, one names a model without profile, or a time is not positive; MissingExtraError
    without scipy.
    """
    thetas, _ = _fit(profiles, pair_measurements, hw, with_gamma=False)
    return thetas


def fit_v5(
    profiles: Mapping[str, InterferenceProfile],
    pair_measurements: Sequence[PairMeasurement],
    hw: HardwareCoefficients,
) -> tuple[dict[str, float], float]:
    """theta of every profile and gamma together. Raises ValueError as `fit_thetas` does."""
    return _fit(profiles, pair_measurements, hw, with_gamma=True)


def apply_thetas(
    profiles: Mapping[str, InterferenceProfile], thetas: Mapping[str, float]
) -> dict[str, InterferenceProfile]:
    """The profiles with these thetas; one that is not named keeps its own."""
    return {n: replace(p, theta=thetas.get(n, p.theta)) for n, p in profiles.items()}


def lopo_cross_validate(
    profiles: Mapping[str, InterferenceProfile],
    pair_measurements: Sequence[PairMeasurement],
    hw: HardwareCoefficients,
    *,
    refit_v5: bool = False,
) -> dict[str, float]:
    """How wrong each pair is predicted from the others, in percent.

    refit_v5: fit gamma too. Returns `mean_pct`, `max_pct`, `n_pairs` and `n_observations`. Raises
    ValueError as `fit_thetas` does, and for fewer than two pairs.
    """
    if len(pair_measurements) < _FEWEST_TO_LEAVE_ONE_OUT:
        raise ValueError(f"leaving one out takes at least two pairs, not {len(pair_measurements)}")
    _demand_usable(profiles, pair_measurements)
    errors = []
    for k, pair in enumerate(pair_measurements):
        rest = [*pair_measurements[:k], *pair_measurements[k + 1 :]]
        thetas, gamma = _fit(profiles, rest, hw, with_gamma=refit_v5)
        fitted = apply_thetas(profiles, thetas)
        for own, partner, observed in _sides([pair]):
            said = latency_ms(fitted[own], fitted[partner], hw, gamma)
            errors.append(100 * abs(said - observed) / observed)
    return {
        "mean_pct": sum(errors) / len(errors),
        "max_pct": max(errors),
        "n_pairs": len(pair_measurements),
        "n_observations": len(errors),
    }


def _fit(
    profiles: Mapping[str, InterferenceProfile],
    pair_measurements: Sequence[PairMeasurement],
    hw: HardwareCoefficients,
    *,
    with_gamma: bool,
) -> tuple[dict[str, float], float]:
    _demand_usable(profiles, pair_measurements)
    extras.require(*NEEDS)
    import numpy as np
    from scipy.optimize import least_squares

    names = sorted(profiles)  # so that no order shows where the pairs leave a theta open
    sides = list(_sides(pair_measurements))

    def unpack(x: Any) -> tuple[dict[str, float], float]:
        thetas = dict(zip(names, map(float, x), strict=False))
        return thetas, float(x[-1]) if with_gamma else 0.0

    def errors(x: Any) -> Any:
        thetas, gamma = unpack(x)
        trial = apply_thetas(profiles, thetas)
        said = [latency_ms(trial[own], trial[partner], hw, gamma) for own, partner, _ in sides]
        seen = np.array([observed for *_, observed in sides])
        return (np.array(said) - seen) / seen

    start = np.array([_START_THETA] * len(names) + [_START_GAMMA] * with_gamma)
    return unpack(least_squares(errors, start, bounds=(0, np.inf)).x)


def _demand_usable(
    profiles: Mapping[str, InterferenceProfile], pair_measurements: Sequence[PairMeasurement]
) -> None:
    if not pair_measurements:
        raise ValueError("there is no pair to fit theta to; measure at least one")
    for name_a, name_b, ms_a, ms_b in pair_measurements:
        for name in (name_a, name_b):
            if name not in profiles:
                raise ValueError(f"pair {name_a} + {name_b}: there is no profile of {name}")
        if not (ms_a > 0 and ms_b > 0):
            raise ValueError(f"pair {name_a} + {name_b}: times must be above 0: {ms_a}, {ms_b}")


def _sides(pairs: Sequence[PairMeasurement]) -> Iterator[tuple[str, str, float]]:
    for name_a, name_b, ms_a, ms_b in pairs:
        yield name_a, name_b, ms_a
        yield name_b, name_a, ms_b
