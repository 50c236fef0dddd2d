"""fractional_coresidency_v2 places as before, and says how the models it placed will disturb each other."""

import pytest

from nvinx import (
    HardwareCoefficients,
    HardwareSpec,
    InterferenceProfile,
    ModelSpec,
    PairLookupEntry,
    Residency,
    fractional_coresidency,
    fractional_coresidency_v2,
)

HW = HardwareSpec(vram_gb=4.0, ram_gb=32.0, cpu_cores=20)
COEFS = HardwareCoefficients((6.42, -7.0), (0.0,), 1530.0, 40.0)
PROFILES = {
    "model_a": InterferenceProfile("model_a", 1027, 0.077, 21.7, 16.8, theta=3.91),
    "model_b": InterferenceProfile("model_b", 1026, 0.149, 114.9, 37.1, theta=1.20),
    "new": InterferenceProfile("new", 100, 0.1, 5.0, 1.0),
}
LOOKUP = {("model_a", "model_b"): PairLookupEntry(("model_a", "model_b"), 1.0, 2.0)}
PLACED = "Pattern B (fractional_coresidency): {} model(s) co-resident; {}/3.50 GB VRAM used (+ 0.5 GB headroom)."
RATE = "interference: max_kernel_rate=47.3 k/ms ({} placed models have profiles)"
OTHERWISE_NAMED = [ModelSpec(name, 0.6, Residency.GPU_SHARED) for name in ("embed", "fold")]
OF_OTHER_NAMES = {
    "embed": InterferenceProfile("esm2", 1027, 0.077, 21.7, 16.8, theta=3.91),
    "fold": InterferenceProfile("esmfold", 1026, 0.149, 114.9, 37.1, theta=1.20),
}


def shared(**sizes):
    return [ModelSpec(name, gb, Residency.GPU_SHARED) for name, gb in sizes.items()]


PAIR = shared(model_a=0.6, model_b=0.6)


def notes(candidates=PAIR, **known):
    return fractional_coresidency_v2(candidates, HW, **known).notes


def test_a_pair_is_predicted_in_upstreams_form():
    assert notes(interference_profiles=PROFILES, hw_coefs=COEFS, max_kernel_rate_threshold=50) == [
        PLACED.format(2, "1.20"),
        RATE.format("2/2"),
        "interference: pair(model_a+model_b) pred_lat=(99.0, 142.8)ms via queue_aware; asymmetry=5.29",
    ]


def test_the_kernel_size_term_is_named():
    last = notes(interference_profiles=PROFILES, hw_coefs=COEFS, gamma_kernel_size=0.7)[-1]
    assert "pred_lat=(363.8, 145.7)ms via queue_aware_v5" in last


def test_a_high_kernel_rate_is_warned_of():
    said = notes(interference_profiles=PROFILES, max_kernel_rate_threshold=40)
    assert said[2] == (
        "interference: WARNING max_kernel_rate 47.3 > threshold 40.0; expect queue contention"
    )


@pytest.mark.parametrize("first", ["model_a", "model_b"])
def test_measured_latencies_stand_with_their_own_model_whichever_comes_first(first):
    sizes = {"model_a": 0.6, "model_b": 0.6, first: 0.7}
    other = "model_b" if first == "model_a" else "model_a"
    said = "(1.0, 2.0)" if first == "model_a" else "(2.0, 1.0)"
    alone = notes(shared(**sizes), interference_profiles=PROFILES, pair_lookup=LOOKUP)
    assert alone[-1] == f"interference: pair({first}+{other}) meas_lat={said}ms via lookup"
    both = notes(
        shared(**sizes), interference_profiles=PROFILES, pair_lookup=LOOKUP, hw_coefs=COEFS
    )
    assert f"pair({first}+{other}) pred_lat={said}ms via lookup" in both[-1]


def test_a_model_without_theta_is_told_as_unknown():
    said = notes([*PAIR, *shared(new=0.5)], interference_profiles=PROFILES, hw_coefs=COEFS)
    assert len(said) == 5
    assert (
        "pair(model_a+new) pred_lat=(21.7, 5.0)ms via fallback_unknown; asymmetry=4.34" in said[3]
    )


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"interference_profiles": {}, "hw_coefs": COEFS, "pair_lookup": LOOKUP},
        {"pair_lookup": LOOKUP},
    ],
)
def test_without_profiles_it_is_the_plain_pattern(known):
    assert notes(**known) == fractional_coresidency(PAIR, HW).notes


def test_the_placement_is_that_of_the_plain_pattern():
    many = [
        *shared(model_a=2, model_b=1.5, new=1.4),
        ModelSpec("alone", 1, Residency.GPU_EXCLUSIVE),
    ]
    plain = fractional_coresidency(many, HW)
    more = fractional_coresidency_v2(many, HW, interference_profiles=PROFILES, hw_coefs=COEFS)
    assert (more.gpu_coresident, more.unscheduled) == (plain.gpu_coresident, plain.unscheduled)
    assert more.reasons == plain.reasons
    with pytest.raises(ValueError, match="headroom"):
        fractional_coresidency_v2(many, HW, headroom_gb=4)


def last_note(**known):
    return notes(OTHERWISE_NAMED, interference_profiles=OF_OTHER_NAMES, **known)[-1]


def test_a_prediction_names_models_as_they_were_placed_whatever_their_profiles_say():
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
    rate = OF_OTHER_NAMES["embed"].kernel_rate
    assert "WARNING" not in last_note(max_kernel_rate_threshold=rate)
    assert "WARNING" in last_note(max_kernel_rate_threshold=rate - 0.1)


def test_the_same_model_placed_twice_is_a_pair():
    twice = [OTHERWISE_NAMED[0], OTHERWISE_NAMED[0]]
    said = notes(twice, interference_profiles=OF_OTHER_NAMES, hw_coefs=COEFS)
    assert "pair(embed+embed)" in said[-1]
