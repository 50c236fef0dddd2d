"""What the slowdown model says, and how sure it is."""

import math
import timeit
from dataclasses import replace

import pytest

from nvinx.interference import CoRun, Prediction, Provenance, SlowdownModel, Trait
from nvinx.interference.fit import fit_slowdown_model
from nvinx.interference.p_norm import combined
from nvinx.interference.slowdown import _weights

SUFFERS = {"esm2": 1.4, "whisper": 0.7, "bert": 1.0, "lstm": 0.5, "fold": 0.9}
HURTS = {"esm2": 0.4, "whisper": 1.3, "bert": 0.8, "lstm": 1.1, "fold": 1.5}


def truth(of, beside):
    return 1 + SUFFERS[of] * HURTS[beside]


def corun(a, b):
    return CoRun(a, b, truth(a, b), truth(b, a))


def circle(names):
    n = len(names)
    return [corun(names[k], names[(k + step) % n]) for k in range(n) for step in (1, 2)]


NAMES = tuple(SUFFERS)
ALL_BUT_ONE = [
    corun(a, b) for k, a in enumerate(NAMES) for b in NAMES[k + 1 :] if {a, b} != {"esm2", "fold"}
]
MODEL = fit_slowdown_model(ALL_BUT_ONE)


def test_a_pair_that_was_run_is_told_as_measured():
    p = MODEL.predict("esm2", ["whisper"])
    assert (p.slowdown, p.source) == (pytest.approx(truth("esm2", "whisper")), "measured")
    assert p.high / p.low < 1.12


def test_a_pair_that_was_not_run_is_predicted_from_the_others():
    p = MODEL.predict("esm2", ["fold"])
    assert p.source == "predicted"
    assert p.slowdown == pytest.approx(truth("esm2", "fold"), rel=0.1)
    assert p.low < truth("esm2", "fold") < p.high


def test_who_suffers_and_who_hurts_are_told_apart():
    assert MODEL.predict("esm2", ["fold"]).slowdown > 2.5 > MODEL.predict("fold", ["esm2"]).slowdown


def test_a_model_never_seen_is_unknown_and_its_interval_wide():
    unknown = MODEL.predict("stranger", ["bert"])
    assert unknown.source == "unknown"
    known = MODEL.predict("esm2", ["fold"])
    assert unknown.high / unknown.low > 1.25 * known.high / known.low
    assert unknown.low < 1.3
    assert unknown.high > 2.2


def test_a_partner_never_seen_makes_it_unknown_too():
    p = MODEL.predict("bert", ["esm2", "stranger"])
    assert p.source == "unknown"
    assert p.slowdown > MODEL.predict("bert", ["esm2"]).slowdown


def test_two_strangers_are_more_uncertain_than_one():
    one, two = MODEL.predict("stranger", ["bert"]), MODEL.predict("stranger", ["other"])
    assert two.high / two.low > one.high / one.low


def test_alone_nobody_is_slowed_down():
    assert MODEL.predict("anything", []) == Prediction(1.0, 1.0, 1.0, "measured")


def excesses(of, *partners):
    return [MODEL.predict(of, [name]).slowdown - 1 for name in partners]


def test_several_partners_combine_as_public_measurements_do():
    together = MODEL.predict("lstm", ["esm2", "whisper"])
    assert together.slowdown == pytest.approx(combined(excesses("lstm", "esm2", "whisper")))


def test_three_together_are_predicted_though_their_pairs_were_measured():
    assert MODEL.predict("lstm", ["esm2", "whisper"]).source == "predicted"


def test_measured_and_predicted_partners_mix():
    p = MODEL.predict("esm2", ["whisper", "fold"])
    assert p.source == "predicted"
    assert p.slowdown == pytest.approx(combined(excesses("esm2", "whisper", "fold")))


def test_two_instances_of_one_partner_hurt_more_and_err_together():
    once, twice = MODEL.predict("esm2", ["fold"]), MODEL.predict("esm2", ["fold", "fold"])
    assert twice.slowdown == pytest.approx(combined(2 * excesses("esm2", "fold")))
    assert twice.high - twice.slowdown > 1.5 * (once.high - once.slowdown)


def test_a_partner_that_costs_nothing_widens_no_interval():
    model = fit_slowdown_model([CoRun("a", "b", 1.5, 1.5), CoRun("a", "idle", 1.0, 1.0)])
    one, more = model.predict("a", ["b"]), model.predict("a", ["b", "idle"])
    assert (more.slowdown, more.high) == (
        pytest.approx(one.slowdown),
        pytest.approx(one.high, rel=0.03),
    )


def test_partners_beside_which_it_ran_faster_count_as_harmless():
    model = fit_slowdown_model([CoRun("a", "b", 0.97, 1.0), CoRun("a", "c", 0.98, 1.0)])
    p = model.predict("a", ["b", "c"])
    assert p.slowdown == 1.0
    assert p.low < 1.0 < p.high


@pytest.mark.parametrize("partners", [["whisper"], ["whisper", "fold"], ["fold", "fold", "bert"]])
def test_what_is_unsure_of_a_pair_counts_by_what_it_does_to_the_whole(partners):
    sides = [MODEL._side("esm2", name, partners.count(name)) for name in sorted({*partners})]

    def slowdown(moved, by):
        costs = [s.excess + by * (s.partner == moved) for s in sides for _ in range(s.number)]
        return combined(costs, MODEL.exponent)

    for side, weight in zip(sides, _weights(sides, MODEL.exponent), strict=True):
        slope = (slowdown(side.partner, 1e-5) - slowdown(side.partner, -1e-5)) / 2e-5
        assert weight == pytest.approx(slope, rel=1e-6)


def test_one_name_instead_of_a_list_is_refused_with_the_right_spelling():
    with pytest.raises(TypeError, match=r"write \['whisper'\]"):
        MODEL.predict("esm2", "whisper")


def test_throughput_adds_what_each_gets_done():
    assert MODEL.throughput([]) == 0
    assert MODEL.throughput(["esm2"]) == 1
    pair = 1 / truth("esm2", "whisper") + 1 / truth("whisper", "esm2")
    assert MODEL.throughput(["esm2", "whisper"]) == pytest.approx(pair)


def test_repeats_of_a_pair_are_averaged_and_narrow_its_interval():
    often = fit_slowdown_model([CoRun("a", "b", 1.2, 1.5), CoRun("b", "a", 1.5, 1.3)])
    p = often.predict("a", ["b"])
    assert p.slowdown == pytest.approx(math.sqrt(1.2 * 1.3))
    assert p.high / p.low < MODEL.predict("esm2", ["whisper"]).high / p.slowdown * 1.2


def test_a_co_run_of_which_only_one_side_was_timed_is_enough_to_begin():
    model = fit_slowdown_model([CoRun("a", "b", 1.8)])
    assert model.predict("a", ["b"]).source == "measured"
    back = model.predict("b", ["a"])
    assert back.source == "predicted"
    assert back.low < 1.3 < back.high


def test_twins_are_a_co_run_like_any_other():
    model = fit_slowdown_model([CoRun("a", "a", 1.9, 1.9), corun("esm2", "bert")])
    assert model.predict("a", ["a"]).slowdown == pytest.approx(1.9)


def test_harmless_company_is_predicted_to_stay_harmless():
    quiet = [CoRun(a, b, 1.02, 1.01) for a, b in ("ab", "bc", "cd", "da")]
    p = fit_slowdown_model(quiet).predict("a", ["c"])
    assert p.slowdown < 1.06
    assert p.high < 1.2


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_a_slowdown_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match=r"a \+ b: slowdown_b is"):
        CoRun("a", "b", 1.0, value)


def test_no_co_run_is_no_model():
    with pytest.raises(ValueError, match="no co-run"):
        fit_slowdown_model([])


def test_a_utilisation_in_percent_is_refused():
    with pytest.raises(ValueError, match="utilisation of esm2 is 97"):
        fit_slowdown_model(ALL_BUT_ONE, utilisation={"esm2": 97})


def test_a_busy_model_that_was_never_run_is_taken_to_hurt_more_than_an_idle_one():
    busy = {"esm2": 0.2, "whisper": 0.9, "bert": 0.6, "lstm": 0.8, "fold": 0.99}
    model = fit_slowdown_model(ALL_BUT_ONE, utilisation={**busy, "hog": 0.99, "dwarf": 0.1})
    hog, dwarf = model.predict("bert", ["hog"]), model.predict("bert", ["dwarf"])
    assert hog.slowdown > dwarf.slowdown
    assert hog.source == dwarf.source == "unknown"


def test_the_same_utilisation_everywhere_says_nothing():
    flat = fit_slowdown_model(ALL_BUT_ONE, utilisation=dict.fromkeys(NAMES, 1.0))
    assert flat.predict("esm2", ["fold"]).slowdown == pytest.approx(
        MODEL.predict("esm2", ["fold"]).slowdown
    )


def test_one_wild_measurement_does_not_bend_the_others():
    wild = [*circle(NAMES)[1:], CoRun("esm2", "whisper", 30.0, 1.9)]
    p = replace(fit_slowdown_model(wild), measured={}).predict("bert", ["fold"])
    assert p.slowdown == pytest.approx(truth("bert", "fold"), rel=0.25)


def test_a_fit_of_almost_the_same_co_runs_may_start_from_the_last_one():
    again = fit_slowdown_model(ALL_BUT_ONE[1:], start=MODEL)
    fresh = fit_slowdown_model(ALL_BUT_ONE[1:])
    for name in NAMES:
        assert again.traits[name].suffers == pytest.approx(fresh.traits[name].suffers, abs=0.01)


def test_traits_tell_with_how_many_others_a_model_was_run():
    assert {name: t.co_runs for name, t in MODEL.traits.items()} == {
        "esm2": 3, "whisper": 4, "bert": 4, "lstm": 4, "fold": 3
    }  # fmt: skip


def test_a_prediction_is_far_below_a_millisecond():
    seconds = min(timeit.repeat(lambda: MODEL.predict("esm2", ["fold", "lstm"]), number=200))
    assert seconds / 200 < 1e-3


def test_the_model_is_plain_data_that_can_be_compared_and_copied():
    assert replace(MODEL) == MODEL
    assert isinstance(MODEL.traits["esm2"], Trait)
    assert MODEL.provenance == Provenance()
    assert isinstance(MODEL, SlowdownModel)
