"""Runs alone, runs in company and a calibration's pairs are one fit: what it finds, how surely."""

import math
import random

import pytest
from builders import company
from msgspec.structs import replace

from nvinx.calibration import fit_slowdown_model
from nvinx.interference import CoRun
from nvinx.interference.joint_fit import fit
from nvinx.interference.observed import Observed
from nvinx.interference.p_norm import EXPONENT, combined
from nvinx.interference.slowdown import Measured

SOLO_S = {"a": 10.0, "b": 40.0, "c": 25.0}
SUFFERS = {"a": 1.0, "b": 0.5, "c": 0.3}
HURTS = {"a": 0.4, "b": 1.2, "c": 0.8}


def excess(of, beside):
    return SUFFERS[of] * HURTS[beside]


def run(of, shares, noise=1.0, size=None):
    """shares: of the work's time, by who was beside it."""
    pace = 1 - sum(shares.values())
    pace += sum(
        share / combined([excess(of, name) for name in names]) for names, share in shares.items()
    )
    ran_s = SOLO_S[of] * (1.0 if size is None else size) / pace * noise
    together = tuple(company(share * ran_s, *names) for names, share in shares.items())
    return Observed(of, of, ran_s, together, size)


def left(of, partners, beside_s, noise=1.0, exponent=EXPONENT):
    """It begins beside these, who leave after a time if it still runs then."""
    excesses = [excess(of, name) for name in partners]
    work_s, slowdown = SOLO_S[of] * noise, combined(excesses, exponent)
    if work_s * slowdown <= beside_s:
        together_s, alone_s = work_s * slowdown, 0.0
    else:
        together_s, alone_s = beside_s, work_s - beside_s / slowdown
    together = company(together_s, *partners, at_end=alone_s == 0.0)
    return Observed(of, of, together_s + alone_s, (together,) if partners else ())


def lab(runs, noise=0.0, seed=1, exponent=EXPONENT, most=2):
    """most: partners at once."""
    draw = random.Random(seed)
    names = sorted(SOLO_S)
    found = []
    for _ in range(runs):
        of, partners = draw.choice(names), draw.choices(names, k=draw.choice((0, 1, 1, most)))
        beside_s = SOLO_S[of] * draw.uniform(0.3, 3.0)
        found.append(left(of, partners, beside_s, math.exp(draw.gauss(0, noise)), exponent))
    return found


def offsets(belief):
    """Of ln slowdown, by pair: above 0 where too much is believed."""
    return [
        math.log((1 + belief.excess(of, beside)) / (1 + excess(of, beside)))
        for of in SOLO_S
        for beside in SOLO_S
    ]


def errors(belief):
    return [abs(off) for off in offsets(belief)]


def test_what_pairs_cost_and_what_kinds_take_alone_are_found_together():
    belief = fit(lab(120))
    assert max(errors(belief)) < 0.1
    for kind, seconds in SOLO_S.items():
        assert belief.solo[kind].seconds() == pytest.approx(seconds, rel=0.05)


def test_without_any_run_alone_other_mixes_tell():
    runs = [run("a", {("a",) * n: share}) for n in (1, 2) for share in (0.2, 0.6, 1.0)] * 4
    belief = fit(runs)
    assert belief.excess("a", "a") == pytest.approx(0.4, rel=0.25)
    assert belief.solo["a"].seconds() == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("exponent", [1.2, 3.0])
def test_how_several_partners_combine_is_learned_where_runs_show_it(exponent):
    belief = fit(lab(200, noise=0.02, exponent=exponent, most=3))
    assert belief.exponent == pytest.approx(exponent, abs=0.3)
    three = {"a": 1, "b": 1, "c": 1}
    true = combined([excess("a", name) for name in three], exponent)
    assert belief.slowdown("a", three) == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("before", [1.5, EXPONENT])
def test_where_no_run_has_several_partners_they_combine_as_believed_before(before):
    assert fit(lab(60, most=1), exponent=before).exponent == pytest.approx(before)


def test_few_noisy_runs_say_little_of_how_partners_combine():
    belief = fit(lab(40, noise=0.5, exponent=1.0, most=3))
    assert belief.exponent == pytest.approx(EXPONENT, abs=0.3)


def test_half_the_time_beside_one_that_costs_threefold_is_no_half_of_that():
    """The loss of rate adds up over the time, not the gain of time."""
    alone, both = Observed("a", "a", 10.0), Observed("a", "a", 15.0, (company(7.5, "b"),))
    pair = fit([alone, both] * 10).pair("a", "b")
    assert 1 + pair.excess == pytest.approx(3.0, rel=0.15)


def test_noise_of_run_times_is_no_slowdown():
    for seed in range(5):
        draw = random.Random(seed)
        runs = [Observed("a", "a", 10 * math.exp(draw.gauss(0, 0.7))) for _ in range(20)]
        for _ in range(20):
            ran_s = 10 * math.exp(draw.gauss(0, 0.7))
            runs.append(Observed("a", "a", ran_s, (company(ran_s, "b"),)))
        belief = fit(runs)
        low, _ = belief.pair("a", "b").interval
        assert low < 1.35
        assert 0.3 < belief.noise < 0.9


def test_who_is_slow_by_chance_and_so_alone_at_the_end_makes_sharing_look_no_cheaper():
    """Nobody runs alone from the start, and those that take long are left alone."""
    off = []
    for seed in range(10):
        draw = random.Random(seed)
        runs = [left("a", "b", 25.0, math.exp(draw.gauss(0, 0.7))) for _ in range(60)]
        pair = fit(runs).pair("a", "b")
        off.append((pair.mean - math.log(excess("a", "b"))) / pair.sd)
    assert abs(sum(off) / len(off)) < 0.7


@pytest.mark.parametrize("milder", [0.3, 1.0])
def test_jobs_that_hardly_run_alone_are_not_told_to_slow_each_other_down_more(monkeypatch, milder):
    """The most probable values would be 6 to 7 % too high."""
    for name, value in SUFFERS.items():
        monkeypatch.setitem(SUFFERS, name, milder * value)
    off = []
    for seed in range(12):
        draw, runs = random.Random(seed), []
        for _ in range(90):
            of, partners = draw.choice("abc"), draw.choices("abc", k=draw.choice((1, 1, 2)))
            beside_s = SOLO_S[of] * draw.uniform(0.5, 3.0)
            runs.append(left(of, partners, beside_s, math.exp(draw.gauss(0, 0.3))))
        off += offsets(fit(runs))
    assert abs(sum(off) / len(off)) < 0.04


def test_where_nobody_ran_alone_heavy_sharing_is_not_taken_for_cheap(monkeypatch):
    """A shift to the median, as where times alone are known, would be a quarter too low."""
    for name, value in SUFFERS.items():
        monkeypatch.setitem(SUFFERS, name, 3.0 * value)
    off = []
    for seed in range(12):
        draw = random.Random(seed)
        runs = []
        for _ in range(30):
            of, partners = draw.choice("abc"), draw.choices("abc", k=draw.choice((2, 3)))
            beside_s = SOLO_S[of] * draw.uniform(2.0, 9.0)
            runs.append(left(of, partners, beside_s, math.exp(draw.gauss(0, 0.7))))
        off += offsets(fit(runs))
    assert sum(off) / len(off) > -0.2


def test_a_batch_of_equal_jobs_that_ends_within_moments_says_nothing_of_what_sharing_costs():
    def batch(*tail):
        together = [company(21.1, *["a"] * 3, at_end=not tail)]
        together += [company(s, *["a"] * n, at_end=n == tail[-1][1]) for s, n in tail]
        return Observed("a", "a", 21.1 + sum(s for s, _ in tail), tuple(together))

    alone_at_the_end = Observed("a", "a", 21.126, (company(21.1, "a", "a", "a", at_end=False),))
    ragged = fit([batch(), batch((0.014, 2)), batch((0.014, 2), (0.013, 1)), alone_at_the_end])
    even = fit([batch()] * 4)
    assert ragged.excess("a", "a") == pytest.approx(even.excess("a", "a"), rel=0.1)
    assert ragged.solo["a"].seconds() == pytest.approx(even.solo["a"].seconds(), rel=0.1)


def test_a_slower_card_is_no_slowdown():
    fast = [Observed("a", "a", 10.0, card="fast")] * 10
    slow = [Observed("a", "a", 40.0, (company(40, "b", at_end=True),), card="slow")] * 10
    also = [Observed("a", "a", 40.0, card="slow")] * 2
    belief = fit(fast + slow + also)
    assert belief.excess("a", "b") < 0.15
    assert belief.solo["a"].sd < 0.3


def test_one_odd_run_decides_little():
    odd = Observed("a", "a", 300.0, (company(300, "c"),))
    assert max(errors(fit([*lab(120, noise=0.05), odd]))) < 0.15


def test_large_inputs_are_not_mistaken_for_slowdown():
    small = [run("a", {}, size=size) for size in (1.0, 2.0, 3.0)]
    large = [Observed("a", "a", 80.0, (company(80, "b"),), 8.0)]
    belief = fit((small + large) * 6)
    assert belief.excess("a", "b") < 0.2
    assert belief.solo["a"].seconds(2.0) == pytest.approx(20, rel=0.15)


def test_what_one_side_is_known_to_suffer_counts_beside_a_stranger():
    belief = fit(lab(120))
    assert belief.excess("a", "new") > belief.excess("c", "new")
    assert belief.excess("new", "b") > belief.excess("new", "a")


def test_intervals_hold_what_they_say():
    inside = []
    for seed in range(12):
        belief = fit(lab(60, noise=0.2, seed=seed))
        for of in SOLO_S:
            for beside in SOLO_S:
                low, high = belief.pair(of, beside).interval
                inside.append(low <= 1 + excess(of, beside) <= high)
    assert 0.8 < sum(inside) / len(inside) <= 1.0


CALIBRATED = fit_slowdown_model(
    [CoRun("a", "a", 1.5, 1.5), CoRun("a", "b", 1.05, 1.3), CoRun("b", "b", 1.4, 1.4)]
)


def test_a_calibration_stands_where_no_run_speaks_against_it():
    belief = fit([Observed("a", "a", 10.0)], CALIBRATED.measured)
    for pair, seen in CALIBRATED.measured.items():
        assert 1 + belief.excess(*pair) == pytest.approx(seen.slowdown, rel=0.04)
        assert not belief.pair(*pair).contradicted


def test_many_runs_overrule_a_calibration_and_few_do_not():
    alone, slow = Observed("a", "a", 10.0), Observed("a", "a", 30.0, (company(30, "b"),))
    few, many = (fit([alone, slow] * times, CALIBRATED.measured) for times in (1, 30))
    assert 1 + few.excess("a", "b") < 1.3
    assert not few.pair("a", "b").contradicted
    assert 1 + many.excess("a", "b") == pytest.approx(3.0, rel=0.1)
    assert many.pair("a", "b").contradicted
    assert not many.pair("b", "b").contradicted


TRIPLE = {("a", ("a", "b")): Measured(1.9, 1)}


def test_what_was_measured_of_three_is_believed_until_runs_contradict_its_pairs():
    alone, slow = Observed("a", "a", 10.0), Observed("a", "a", 30.0, (company(30, "b"),))
    early = fit([alone], CALIBRATED.measured, groups=TRIPLE)
    late = fit([alone, slow] * 30, CALIBRATED.measured, groups=TRIPLE)
    assert early.slowdown("a", {"b": 1, "a": 1}) == 1.9
    assert early.slowdown("a", {"b": 1, "a": 1}, drawn=True) == 1.9
    assert early.slowdown("a", {"b": 1}) < 1.2
    assert late.slowdown("a", {"b": 1, "a": 1}) > 2.5


def test_the_same_runs_give_the_same_belief_and_another_seed_another_draw():
    runs = lab(30, noise=0.3)
    one, again, other = fit(runs), fit(runs), fit(runs, seed=7)
    assert one == again
    assert one.pair("a", "b").mean == other.pair("a", "b").mean
    assert one.pair("a", "b").drawn != other.pair("a", "b").drawn


def test_what_was_seldom_seen_is_drawn_as_milder_so_that_it_is_tried():
    def draws(runs):
        beliefs = [fit(lab(runs), seed=seed) for seed in range(20)]
        pairs = [belief.pair("a", "b") for belief in beliefs]
        return sum((pair.drawn - pair.mean) / pair.sd for pair in pairs) / len(pairs)

    assert draws(4) < -0.4
    assert abs(draws(120)) < 0.3


@pytest.mark.parametrize(("times", "is_free"), [(1, True), (2, True), (3, False), (20, False)])
def test_what_was_seen_less_than_three_times_is_drawn_as_free(times, is_free):
    belief = fit([run("a", {("b",): 1.0}), run("b", {("a",): 1.0})] * times)
    assert (belief.excess("a", "b", drawn=True) < 1e-6) == is_free
    assert belief.excess("a", "b") > 0.1


def called(runs, names):
    """The same runs, their kinds called otherwise."""
    return [
        replace(
            one,
            kind=names[one.kind],
            profile=names[one.profile],
            company=tuple(
                replace(each, partners={names[name]: n for name, n in each.partners.items()})
                for each in one.company
            ),
        )
        for one in runs
    ]


def test_benches_of_other_jobs_do_not_all_draw_alike_after_as_many_runs():
    runs = lab(30)
    one, other = fit(runs), fit(called(runs, {"a": "x", "b": "y", "c": "z"}))
    assert one.pair("a", "b").mean == other.pair("x", "y").mean
    assert one.pair("a", "b").drawn != other.pair("x", "y").drawn


def test_a_stranger_is_drawn_as_free_and_told_as_average():
    belief = fit(lab(120))
    for pair in (("a", "new"), ("new", "a"), ("new", "newer")):
        assert belief.excess(*pair, drawn=True) == 0.0
        assert belief.excess(*pair) > 0.0


def test_what_was_calibrated_is_no_stranger_before_its_first_run():
    belief = fit([Observed("a", "a", 10.0)], CALIBRATED.measured)
    for pair, seen in CALIBRATED.measured.items():
        assert 1 + belief.excess(*pair, drawn=True) == pytest.approx(seen.slowdown, rel=0.1)


def test_what_is_surer_is_drawn_closer_to_what_is_believed():
    def spread(belief):
        pairs = [pair for row in belief.pairs.values() for pair in row.values()]
        return sum(abs(pair.drawn - pair.mean) for pair in pairs)

    few, many = (
        sum(spread(fit(lab(runs, noise=0.1), seed=seed)) for seed in range(8)) for runs in (6, 200)
    )
    assert many < few / 2
