"""A note of fractional_coresidency_v2 names models as they were placed, whatever their profiles say."""

import pytest

from nvinx import (
    HardwareCoefficients,
    HardwareSpec,
    InterferenceProfile,
    ModelSpec,
    PairLookupEntry,
    Residency,
    fractional_coresidency_v2,
)

HW = HardwareSpec(vram_gb=4.0, ram_gb=32.0, cpu_cores=8)
COEFS = HardwareCoefficients((6.42, -7.0), (0.0,), 1530.0, 40.0)
PLACED = [ModelSpec(name, 0.6, Residency.GPU_SHARED) for name in ("embed", "fold")]
PROFILES = {
    "embed": InterferenceProfile("esm2", 1027, 0.077, 21.7, 16.8, theta=3.91),
    "fold": InterferenceProfile("esmfold", 1026, 0.149, 114.9, 37.1, theta=1.20),
}


def last_note(**known):
    return fractional_coresidency_v2(PLACED, HW, interference_profiles=PROFILES, **known).notes[-1]


def test_a_prediction_names_the_placed_models():
    """Recorded from nvinx 0.3.0a2."""
    assert last_note(hw_coefs=COEFS) == (
        "interference: pair(embed+fold) pred_lat=(99.0, 142.8)ms via queue_aware; asymmetry=5.29"
    )


@pytest.mark.parametrize("pair", [("embed", "fold"), ("esm2", "esmfold")])
def test_a_measured_pair_is_found_by_the_placed_names_and_by_the_profiles(pair):
    lookup = {pair: PairLookupEntry(pair, 30.0, 130.0)}
    assert last_note(pair_lookup=lookup) == (
        "interference: pair(embed+fold) meas_lat=(30.0, 130.0)ms via lookup"
    )
    assert last_note(pair_lookup=lookup, hw_coefs=COEFS) == (
        "interference: pair(embed+fold) pred_lat=(30.0, 130.0)ms via lookup; asymmetry=5.29"
    )


def test_a_kernel_rate_at_the_threshold_is_not_warned_of():
    rate = PROFILES["embed"].kernel_rate
    assert "WARNING" not in last_note(max_kernel_rate_threshold=rate)
    assert "WARNING" in last_note(max_kernel_rate_threshold=rate - 0.1)


def test_the_same_model_placed_twice_is_a_pair():
    plan = fractional_coresidency_v2(
        [PLACED[0], PLACED[0]], HW, interference_profiles=PROFILES, hw_coefs=COEFS
    )
    assert "pair(embed+embed)" in plan.notes[-1]
