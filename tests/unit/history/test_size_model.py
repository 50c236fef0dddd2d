"""How a need grows with the input is found from runs, by as few parameters as they show."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvinx.history.size_model import BEYOND, FEWEST, fit


def runs(need, *, count=30, noise=0.1, seed=1, sizes=(100, 2000)):
    """Inputs of random sizes, each with a need that varies by `noise`."""
    rng = random.Random(seed)
    drawn = [rng.uniform(*sizes) for _ in range(count)]
    return [(size, need(size) * max(1 + rng.gauss(0, noise), 0.3)) for size in drawn]


@pytest.mark.parametrize(
    ("need", "powers"),
    [
        (lambda _: 900, {0.0}),
        (lambda size: 500 + 2 * size, {1.0}),
        (lambda size: 500 + size**2 / 1000, {1.5, 2.0, 2.5}),
    ],
)
def test_the_shape_is_chosen_by_evidence(need, powers):
    model = fit(runs(need))
    assert model.power in powers
    for size in (200, 1000, 1900):
        assert model.typical(size) == pytest.approx(need(size), rel=0.15)


def test_without_noise_the_truth_is_found():
    model = fit(runs(lambda size: 500 + 2 * size, noise=0))
    assert (model.best.base, model.best.slope) == pytest.approx((500, 2), rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_of_new_runs_about_95_percent_stay_below_the_upper_quantile(seed):
    model = fit(runs(lambda size: 500 + 2 * size, seed=seed, count=40))
    new = runs(lambda size: 500 + 2 * size, seed=1000 + seed, count=400)
    below = sum(amount <= model.at_most(size) for size, amount in new) / len(new)
    assert 0.88 <= below <= 1.0


def test_one_odd_run_decides_little():
    seen = runs(lambda size: 500 + 2 * size)
    odd = [*seen, (1000.0, 30_000.0)]
    assert fit(odd).typical(1000) == pytest.approx(fit(seen).typical(1000), rel=0.1)


def test_too_few_runs_say_nothing():
    assert fit(runs(lambda _: 900, count=FEWEST - 1)) is None
    assert fit(runs(lambda _: 900, count=FEWEST)) is not None


def test_runs_without_a_size_tell_of_a_constant_only():
    model = fit([(None, 900.0), (None, 910.0), (10.0, 905.0), (20.0, 4000.0)])
    assert model.power == 0
    assert model.typical(None) == model.typical(5000) > 0


def test_no_typical_amount_is_told_of_inputs_far_larger_than_any_that_was_seen():
    model = fit(runs(lambda size: 500 + 2 * size))
    assert model.typical(model.largest * BEYOND * 1.01) is None
    assert model.typical(None) is model.at_most(None) is None
    assert model.at_most(0) == pytest.approx(model.at_most(model.best.smallest))


def test_an_upper_limit_is_wide_where_no_such_input_was_seen():
    """Of small inputs alone, nobody can tell a constant from what grows later."""
    small = fit(runs(lambda size: 500 + size**2 / 1000, sizes=(100, 200), count=6))
    assert small.at_most(2000) > 500 + 2000**2 / 1000
    assert small.at_most(1e6) > 1e5


def test_a_need_that_shrinks_with_the_input_counts_as_a_constant():
    assert fit(runs(lambda size: 5000 - 2 * size, noise=0.01)).power == 0


def test_a_large_input_that_never_changes_does_not_hide_the_one_that_does():
    """Bytes of all inputs: 5 GB of weights, and a file of some kB."""
    weights = 5e9
    seen = [(weights + 1000 * size, need) for size, need in runs(lambda size: 500 + 2 * size)]
    model = fit(seen)
    assert model.power > 0
    assert model.typical(weights + 1000 * 1500) == pytest.approx(3500, rel=0.15)


sizes = st.floats(0, 1e12, allow_nan=False)
amounts = st.floats(1e-3, 1e6)


@given(st.lists(st.tuples(sizes, amounts), max_size=40), sizes, sizes)
def test_whatever_was_seen_more_input_never_needs_less(seen, one, other):
    model = fit(seen)
    if model is None:
        return
    small, large = (model.typical(size) for size in sorted((one, other)))
    if small is not None and large is not None:
        assert 0 < small <= large * (1 + 1e-9)
        assert model.at_most(one) is None or model.at_most(one) >= model.typical(one)
