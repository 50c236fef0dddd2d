"""theta and gamma are fitted as upstream nvinx fits them."""

from itertools import permutations

import pytest

from nvinx.calibration import apply_thetas, fit_thetas, fit_v5, lopo_cross_validate
from nvinx.interference import (
    HardwareCoefficients,
    InterferenceProfile,
    predict_pair_latency_queue_aware_v5,
)

HW = HardwareCoefficients((2.0, -1.5), (0.0,), 1000.0, 40.0)
TRUE = {"a": 1.4, "b": 0.6, "c": 3.0, "d": 0.2}
SIZES = {"a": (900, 12.0), "b": (300, 50.0), "c": (120, 8.0), "d": (2000, 90.0)}
PROFILES = {
    name: InterferenceProfile(name, kernels, 0.1, ms, 10.0) for name, (kernels, ms) in SIZES.items()
}


def measured(gamma=0.0, wrong=1.0):
    fitted = apply_thetas(PROFILES, TRUE)
    pairs = []
    for k, a in enumerate(TRUE):
        for b in list(TRUE)[k + 1 :]:
            of_a, of_b = predict_pair_latency_queue_aware_v5(
                fitted[a], fitted[b], HW, gamma_kernel_size=gamma
            )
            pairs.append((a, b, of_a * wrong, of_b / wrong))
    return pairs


def test_thetas_are_found_again():
    assert fit_thetas(PROFILES, measured(), HW) == pytest.approx(TRUE, rel=1e-4)


def test_thetas_and_gamma_are_found_again_together():
    thetas, gamma = fit_v5(PROFILES, measured(gamma=0.4), HW)
    assert gamma == pytest.approx(0.4, rel=1e-3)
    assert thetas == pytest.approx(TRUE, rel=1e-3)


def test_a_model_that_runs_faster_in_company_has_theta_nought_and_not_less():
    pairs = [("a", "b", 5.0, 80.0), ("a", "c", 6.0, 20.0), ("b", "c", 70.0, 22.0)]
    thetas = fit_thetas({n: PROFILES[n] for n in "abc"}, pairs, HW)
    assert thetas["a"] == pytest.approx(0, abs=1e-6)
    assert min(thetas.values()) >= 0


def test_thetas_are_applied_to_copies():
    fitted = apply_thetas(PROFILES, {"a": 2.0})
    assert (fitted["a"].theta, fitted["b"].theta, PROFILES["a"].theta) == (2.0, None, None)


def test_a_table_without_errors_is_cross_validated_to_nothing():
    result = lopo_cross_validate(PROFILES, measured(), HW)
    assert result["mean_pct"] < 0.1
    assert (result["n_pairs"], result["n_observations"]) == (6, 12)


def test_refitting_gamma_helps_where_there_is_one():
    plain = lopo_cross_validate(PROFILES, measured(gamma=0.5), HW)
    with_gamma = lopo_cross_validate(PROFILES, measured(gamma=0.5), HW, refit_v5=True)
    assert with_gamma["mean_pct"] < plain["mean_pct"] <= plain["max_pct"]


@pytest.mark.parametrize("fit", [fit_thetas, fit_v5])
@pytest.mark.parametrize(
    ("pairs", "said"), [([], "no pair"), ([("a", "nobody", 1.0, 1.0)], "nobody")]
)
def test_pairs_that_theta_cannot_be_fitted_to_are_refused(fit, pairs, said):
    with pytest.raises(ValueError, match=said):
        fit(PROFILES, pairs, HW)


def test_the_order_of_the_profiles_changes_no_bit_even_where_the_pairs_leave_room():
    found = [
        fit_v5({name: PROFILES[name] for name in names}, [("a", "b", 40.0, 60.0)], HW)
        for names in permutations("abc")
    ]
    assert all(result == found[0] for result in found)


@pytest.mark.parametrize("fit", [fit_thetas, fit_v5, lopo_cross_validate])
@pytest.mark.parametrize("ms", [0.0, -4.0, float("nan")])
def test_times_that_are_not_above_nought_are_refused(fit, ms):
    pairs = [("a", "b", ms, 60.0), ("a", "c", 30.0, 15.0), ("b", "c", 60.0, 15.0)]
    with pytest.raises(ValueError, match="pair a \\+ b: times must be above 0"):
        fit(PROFILES, pairs, HW)


@pytest.mark.parametrize("pairs", [[], [("a", "b", 40.0, 60.0)]])
def test_fewer_than_two_pairs_cannot_be_cross_validated(pairs):
    with pytest.raises(ValueError, match="at least two pairs"):
        lopo_cross_validate(PROFILES, pairs, HW)


def test_a_pair_of_an_unknown_model_cannot_be_cross_validated():
    with pytest.raises(ValueError, match="nobody"):
        lopo_cross_validate(PROFILES, [*measured(), ("a", "nobody", 1.0, 1.0)], HW)
