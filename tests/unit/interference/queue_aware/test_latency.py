"""Upstream nvinx's latency formulas give upstream's numbers, and gamma is a choice."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nvinx
from nvinx import (
    HardwareCoefficients,
    InterferenceProfile,
    PairLookupEntry,
    asymmetry_predictor,
    fit_gamma_kernel_size,
    lookup_pair_latency,
    max_kernel_rate_score,
    predict_pair_latency,
    predict_pair_latency_queue_aware,
    predict_pair_latency_queue_aware_v5,
)


def test_the_package_knows_its_version():
    assert nvinx.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nvinx.nothing


HW = HardwareCoefficients((6.42, -7.0), (0.0,), 1530.0, 40.0, "rtx_a1000_4gb")
A = InterferenceProfile("model_a", 1027, 0.077, 21.7, 16.8, theta=3.91)
B = InterferenceProfile("model_b", 1026, 0.149, 114.9, 37.1, theta=1.2)
NO_THETA = InterferenceProfile("new", 100, 0.1, 5.0, 1.0)
NO_KERNELS = InterferenceProfile("copy", 0, 0.1, 5.0, 1.0, theta=1.0)
NO_TIME = InterferenceProfile("void", 10, 0.1, 0.0, 1.0, theta=1.0)


def test_everything_upstream_exports_is_there():
    for name in (
        *("HardwareCoefficients", "HardwareSpec", "InterferenceProfile", "ModelSpec"),
        *("PairLookupEntry", "Residency", "SchedulingPlan", "SubstrateInfo"),
        *("asymmetry_predictor", "detect_substrate", "fit_gamma_kernel_size"),
        *("fractional_coresidency", "fractional_coresidency_v2", "lookup_pair_latency"),
        *("max_kernel_rate_score", "predict_pair_latency", "predict_pair_latency_queue_aware"),
        *("predict_pair_latency_queue_aware_v5", "ram_overflow", "serial_handoff"),
    ):
        assert hasattr(nvinx, name)


@pytest.mark.parametrize(("n", "ms"), [(-1, 0), (0, 0), (1, 0), (2, 5.84), (3, 12.26)])
def test_the_delay_is_the_polynomial_and_nothing_for_one_model(n, ms):
    assert HW.scheduling_delay_ms_at_concurrency(n) == pytest.approx(ms)


def test_the_delay_is_never_below_nothing():
    sinking = HardwareCoefficients((-5.0, 1.0), (0.0,), 1.0, 1.0)
    assert sinking.scheduling_delay_ms_at_concurrency(2) == 0
    assert HardwareCoefficients((), (0.0,), 1.0, 1.0).scheduling_delay_ms_at_concurrency(2) == 0


def test_kernels_have_a_rate_and_a_duration_and_none_have_neither():
    assert A.kernel_rate == pytest.approx(47.327, rel=1e-4)
    assert A.kernel_duration_ms == pytest.approx(0.02113, rel=1e-3)
    assert (NO_KERNELS.kernel_rate, NO_KERNELS.kernel_duration_ms) == (0, 0)
    assert (NO_TIME.kernel_rate, NO_TIME.kernel_duration_ms) == (0, 0)


def test_a_pair_by_theta_is_as_computed_by_hand():
    of_a, of_b = predict_pair_latency_queue_aware(A, B, HW)
    assert of_a == pytest.approx(21.7 * (1 + 3.91 * 114.9 / 136.6) + 5.84 + 0.077)
    assert of_b == pytest.approx(114.9 * (1 + 1.2 * 21.7 / 136.6) + 5.84 + 0.149)


def test_a_pair_is_to_the_last_bit_what_upstream_computes():
    """Recorded from nvinx 0.3.0a2."""
    assert predict_pair_latency_queue_aware(A, B, HW) == (98.98537701317716, 142.79233821376283)
    assert predict_pair_latency_queue_aware_v5(A, B, HW, gamma_kernel_size=0.75) == (
        382.679580088811,
        145.89181362224338,
    )
    assert predict_pair_latency_queue_aware(NO_KERNELS, A, HW) == (
        15.003670411985018,
        43.50595131086143,
    )
    assert predict_pair_latency_queue_aware(NO_TIME, NO_TIME, HW) == (0.0, 0.0)


positive = st.floats(0.01, 500, allow_nan=False)
profiles = st.builds(
    InterferenceProfile,
    name=st.just("m"),
    kernels=st.integers(0, 5000),
    baseidle_ms=positive,
    act_solo_ms=positive,
    l2_saturation_pct=st.just(1.0),
    theta=st.floats(0, 10),
)


@given(profiles, profiles)
def test_gamma_of_nothing_changes_no_bit(a, b):
    plain = predict_pair_latency_queue_aware(a, b, HW)
    for gamma in (None, 0, 0.0):
        assert predict_pair_latency_queue_aware_v5(a, b, HW, gamma_kernel_size=gamma) == plain
        said = predict_pair_latency(a, b, HW, gamma_kernel_size=gamma)
        assert said == (*plain, "queue_aware")


@given(profiles, profiles, st.floats(0.01, 3))
def test_gamma_only_ever_adds(a, b, gamma):
    plain = predict_pair_latency_queue_aware(a, b, HW)
    more = predict_pair_latency_queue_aware_v5(a, b, HW, gamma_kernel_size=gamma)
    assert all(m >= p for m, p in zip(more, plain, strict=True))


@given(profiles, profiles, st.floats(0, 3))
def test_the_order_of_a_pair_does_not_matter(a, b, gamma):
    of_a, of_b = predict_pair_latency_queue_aware_v5(a, b, HW, gamma_kernel_size=gamma)
    assert predict_pair_latency_queue_aware_v5(b, a, HW, gamma_kernel_size=gamma) == (of_b, of_a)


@pytest.mark.parametrize("pair", [(A, NO_THETA), (NO_THETA, A), (NO_THETA, NO_THETA)])
def test_without_theta_the_formula_refuses_and_the_dispatcher_says_unknown(pair):
    with pytest.raises(ValueError, match="new has no theta"):
        predict_pair_latency_queue_aware(*pair, HW)
    solo = tuple(profile.act_solo_ms for profile in pair)
    assert predict_pair_latency(*pair, HW, gamma_kernel_size=0.5) == (*solo, "fallback_unknown")


def test_the_source_names_the_kernel_size_term():
    assert predict_pair_latency(A, B, HW, gamma_kernel_size=0.7)[2] == "queue_aware_v5"


@pytest.mark.parametrize("key", [("model_a", "model_b"), ("model_b", "model_a")])
@pytest.mark.parametrize("order", [("model_a", "model_b"), ("model_b", "model_a")])
def test_a_measured_pair_is_found_and_told_in_the_order_asked(key, order):
    entry = PairLookupEntry(order, *((1.0, 2.0) if order[0] == "model_a" else (2.0, 1.0)))
    lookup = {key: entry}
    assert lookup_pair_latency(("model_a", "model_b"), lookup) == (1.0, 2.0)
    assert lookup_pair_latency(("model_b", "model_a"), lookup) == (2.0, 1.0)
    assert predict_pair_latency(B, A, HW, pair_lookup=lookup) == (2.0, 1.0, "lookup")
    assert lookup_pair_latency(("model_a", "new"), lookup) is None


def test_a_pair_entered_both_ways_has_one_answer_whichever_way_it_is_asked():
    """Recorded from nvinx 0.3.0a2."""
    lookup = {
        ("b", "a"): PairLookupEntry(("b", "a"), 30.0, 40.0),
        ("a", "b"): PairLookupEntry(("a", "b"), 1.0, 2.0),
    }
    assert lookup_pair_latency(("a", "b"), lookup) == (1.0, 2.0)
    assert lookup_pair_latency(("b", "a"), lookup) == (2.0, 1.0)


@pytest.mark.parametrize("inner", [("b", "z"), ("z", "a"), ("z", "b"), ("z", "z"), ("b", "b")])
def test_an_entry_that_names_other_models_is_in_the_order_of_its_key(inner):
    """Recorded from nvinx 0.3.0a2."""
    lookup = {("a", "b"): PairLookupEntry(inner, 1.0, 2.0)}
    assert lookup_pair_latency(("a", "b"), lookup) == (1.0, 2.0)
    assert lookup_pair_latency(("b", "a"), lookup) == (2.0, 1.0)


def test_a_pair_may_come_as_a_list_and_is_two():
    lookup = {("a", "b"): PairLookupEntry(("a", "b"), 1.0, 2.0)}
    assert lookup_pair_latency(["b", "a"], lookup) == (2.0, 1.0)
    with pytest.raises(ValueError, match="too many"):
        lookup_pair_latency(("a", "b", "c"), lookup)


def test_twins_that_were_measured_keep_both_times():
    lookup = {("m", "m"): PairLookupEntry(("m", "m"), 1.0, 2.0)}
    assert lookup_pair_latency(("m", "m"), lookup) == (1.0, 2.0)


def test_the_kernel_rate_score_is_the_highest():
    assert max_kernel_rate_score([B, A]) == A.kernel_rate
    assert max_kernel_rate_score([]) == 0


def test_asymmetry_is_longer_over_shorter():
    assert asymmetry_predictor(A, B) == asymmetry_predictor(B, A) == pytest.approx(114.9 / 21.7)
    assert asymmetry_predictor(NO_TIME, A) == math.inf


# fitting gamma

NAMES = {profile.name: profile for profile in (A, B, NO_THETA, NO_KERNELS)}


def pairs(gamma, count=6):
    made = []
    for k in range(count):
        other = InterferenceProfile(f"m{k}", 200 + 300 * k, 0.1, 10.0 + 12 * k, 1.0, theta=0.5 + k)
        NAMES[other.name] = other
        ms = predict_pair_latency_queue_aware_v5(A, other, HW, gamma_kernel_size=gamma)
        made.append(("model_a", other.name, *ms))
    return made


@pytest.mark.parametrize("gamma", [0.0, 0.03, 0.75])
def test_gamma_is_found_again(gamma):
    assert fit_gamma_kernel_size(NAMES, pairs(gamma), HW) == pytest.approx(gamma, abs=1e-9)


def test_gamma_weighs_relative_errors():
    """Recorded from nvinx 0.3.0a2."""
    measured = [("model_a", "model_b", 100.0, 140.0)] * 6
    assert fit_gamma_kernel_size(NAMES, measured, HW) == pytest.approx(0.0026410403794459, rel=1e-9)


def test_gamma_of_few_pairs_is_warned_of():
    with pytest.warns(RuntimeWarning, match="5 pairs says little; measure 6"):
        fit_gamma_kernel_size(NAMES, pairs(0.5, 5), HW)


@pytest.mark.filterwarnings("ignore:gamma from")
@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ([], "no pair"),
        ([("model_a", "nobody", 1.0, 1.0)], "no profile of nobody"),
        ([("model_a", "new", 1.0, 1.0)], "new has no theta"),
        ([("model_a", "model_b", 0.0, 1.0)], "above 0"),
        ([("model_a", "copy", 9.0, 9.0)], "no pair depends on gamma"),
    ],
)
def test_pairs_that_gamma_cannot_be_fitted_to_are_refused(measured, said):
    with pytest.raises(ValueError, match=said):
        fit_gamma_kernel_size(NAMES, measured, HW)
