"""Three and more programs on a card: how their costs combine, and how sure that is."""

import math

import pytest

from nvinx.interference import CoRun
from nvinx.interference.fit import fit_slowdown_model
from nvinx.interference.groups import GroupRun, Seen, fitted_exponent
from nvinx.interference.model_file import load_slowdown_model, save_slowdown_model
from nvinx.interference.p_norm import EXPONENT, combined, error_sd, slopes, slowdown

PAIRS = [CoRun("a", "a", 1.6, 1.6), CoRun("a", "b", 1.4, 1.5), CoRun("b", "b", 1.3, 1.3)]


def group(models, exponent):
    """What a card would show whose costs combine with this exponent."""
    model = fit_slowdown_model(PAIRS)
    slowdowns = []
    for k, name in enumerate(models):
        others = (*models[:k], *models[k + 1 :])
        slowdowns.append(
            combined((model.predict(name, [o]).slowdown - 1 for o in others), exponent)
        )
    return GroupRun(tuple(models), tuple(slowdowns))


def test_equal_programs_follow_the_p_norm():
    p, k, pair = EXPONENT, 4, 1.7
    power = 1 + (k**p - 1) * (pair**p - 1) / (2**p - 1)
    assert combined([pair - 1] * (k - 1)) == pytest.approx(power ** (1 / p))


def test_one_partner_costs_what_it_costs():
    assert combined([0.7]) == pytest.approx(1.7)


def test_an_exponent_of_one_adds_excesses_up():
    assert combined([0.7, 0.2, 0.4], 1.0) == pytest.approx(2.3)


def test_a_harmless_partner_changes_nothing():
    assert combined([0.7, 0.0]) == combined([0.7, -0.1]) == combined([0.7])


def test_nobody_beside_is_no_slowdown():
    assert combined([]) == 1.0


def test_programs_that_saturate_a_card_share_its_time():
    assert combined([1.0] * 4) == pytest.approx(5.0)


@pytest.mark.parametrize(("total", "squares"), [(0.7, 0.49), (1.5, 0.8), (3.0, 2.0)])
def test_the_slopes_are_those_of_the_slowdown(total, squares):
    by_total, by_squares = slopes(total, squares)
    step = 1e-6
    assert by_total == pytest.approx(
        (slowdown(total + step, squares) - slowdown(total - step, squares)) / 2e-6
    )
    assert by_squares == pytest.approx(
        (slowdown(total, squares + step) - slowdown(total, squares - step)) / 2e-6
    )


def test_more_partners_are_less_sure_and_one_is_as_sure_as_its_pair():
    sds = [error_sd([0.3] * k) for k in range(1, 5)]
    assert sds[0] == pytest.approx(0.0, abs=1e-12)
    assert sds == sorted(sds)


def test_nobody_knows_when_a_card_is_full_of_programs_that_seem_harmless():
    assert error_sd([0.0, 0.0]) == error_sd([-0.02, 0.0]) > error_sd([0.9, 0.9])


@pytest.mark.parametrize("exponent", [1.5, 2.2, 3.0])
def test_the_exponent_is_learned_where_groups_show_it(exponent):
    seen = [
        Seen(combined([e] * k, exponent), (e,) * k, 0.01) for e in (0.3, 0.6, 0.8) for k in (2, 3)
    ]
    found = fitted_exponent(seen * 20)
    assert found == pytest.approx(exponent, abs=0.2)


def test_without_groups_the_exponent_is_the_usual_one():
    assert fitted_exponent([]) == pytest.approx(EXPONENT, abs=1e-3)
    assert fitted_exponent([Seen(1.3, (0.0, 0.0))]) == pytest.approx(EXPONENT, abs=1e-3)


def test_a_group_that_was_measured_is_told_as_such_in_any_order():
    model = fit_slowdown_model(PAIRS, groups=[GroupRun(("a", "b", "b"), (2.5, 2.0, 2.2))])
    assert model.predict("a", ["b", "b"]).slowdown == pytest.approx(2.5)
    assert model.predict("b", ["b", "a"]).slowdown == pytest.approx(math.sqrt(2.0 * 2.2))
    assert model.predict("b", ["a", "b"]).source == "measured"
    assert model.predict("a", ["a", "b"]).source == "predicted"


def test_groups_teach_of_groups_that_were_not_measured():
    told = [group("aab", 3.5), group("abb", 3.5), group("aaa", 3.5)] * 4
    model = fit_slowdown_model(PAIRS, groups=told)
    assert model.exponent > EXPONENT + 0.3
    four = fit_slowdown_model(PAIRS).predict("a", ["b", "b", "b"]).slowdown
    assert model.predict("a", ["b", "b", "b"]).slowdown > four


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_groups_and_exponent_are_kept_in_the_file(tmp_path, suffix):
    model = fit_slowdown_model(PAIRS, groups=[group("aab", 3.0)])
    save_slowdown_model(model, tmp_path / f"m.{suffix}")
    assert load_slowdown_model(tmp_path / f"m.{suffix}") == model


@pytest.mark.parametrize(
    ("models", "slowdowns", "word"),
    [
        (("a",), (1.2,), "1 programs"),
        (("a", "b", "c"), (1.2, 1.3), "3 programs with 2 slowdowns"),
        (("a", "b"), (1.2, 0.0), "is 0.0"),
        (("a", "b"), (math.inf, 1.0), "is inf"),
    ],
)
def test_a_group_that_cannot_be_is_refused(models, slowdowns, word):
    with pytest.raises(ValueError, match=word):
        GroupRun(models, slowdowns)
