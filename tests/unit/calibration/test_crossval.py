"""Cross-validation tells how wrong predictions are, never how well the fit remembers."""

import random

import pytest

from nvinx.calibration import CrossValidation, cross_validate
from nvinx.interference import CoRun


def table(n=7, noise=0.0, seed=1):
    draw = random.Random(seed)
    suffers = [draw.uniform(0.4, 1.2) for _ in range(n)]
    hurts = [draw.uniform(0.3, 1.6) for _ in range(n)]

    def slow(i, j):
        return (1 + suffers[i] * hurts[j]) * draw.uniform(1 - noise, 1 + noise)

    return [
        CoRun(f"m{i}", f"m{j}", slow(i, j), slow(j, i)) for i in range(n) for j in range(i + 1, n)
    ]


def test_a_table_that_follows_the_model_is_predicted_well_and_better_than_by_a_constant():
    result = cross_validate(table())
    assert isinstance(result, CrossValidation)
    assert result.summary.mean_pct < 4
    assert result.baselines["one constant"].mean_pct > 3 * result.summary.mean_pct
    assert set(result.baselines) == {"one constant", "theta", "theta + gamma"}


def test_every_slowdown_is_predicted_once_without_its_own_pair():
    runs = table(4)
    result = cross_validate(runs)
    assert {(h.of, h.beside) for h in result.runs} == {
        (i, j) for run in runs for i, j, _ in run.directed
    }
    assert all(h.prediction.source == "predicted" for h in result.runs)
    assert result.summary.runs == 12


def test_both_directions_of_a_pair_and_its_repeats_are_left_out_together():
    runs = [*table(3), CoRun("m1", "m0", 5.0, 5.0)]
    held = [h for h in cross_validate(runs).runs if {h.of, h.beside} == {"m0", "m1"}]
    assert len(held) == 4
    assert all(h.prediction.slowdown < 3 for h in held)


def test_the_summary_is_of_the_runs():
    result = cross_validate(table(5, noise=0.1))
    errors = sorted(100 * h.error for h in result.runs)
    assert result.summary.mean_pct == pytest.approx(sum(errors) / len(errors))
    assert errors[0] <= result.summary.median_pct <= result.summary.p90_pct <= errors[-1]
    covered = sum(h.covered for h in result.runs) / len(result.runs)
    assert result.summary.coverage == pytest.approx(covered)


def test_nine_of_ten_noisy_slowdowns_lie_in_their_interval():
    tables = [table(8, noise=0.16, seed=s) for s in range(6)]
    coverage = [cross_validate(t).summary.coverage for t in tables]
    assert 0.85 <= sum(coverage) / len(coverage) <= 0.97


def test_a_new_model_is_known_by_two_of_its_co_runs_only():
    result = cross_validate(table(6), "model")
    assert result.summary.runs == 6 * 3 * 2
    assert all(h.prediction.source == "predicted" for h in result.runs)
    assert cross_validate(table(6), "model").summary == result.summary


def test_a_new_model_that_was_never_run_is_unknown():
    result = cross_validate(table(6), "model", kept=0)
    assert all(h.prediction.source == "unknown" for h in result.runs)
    assert result.summary.coverage > 0.8


def test_another_seed_keeps_other_co_runs():
    assert cross_validate(table(6), "model", seed=1).runs != cross_validate(table(6), "model").runs


def test_theta_uses_the_times_alone_where_they_are_known():
    coruns, solo = table(5), {f"m{k}": 10.0 * 4**k for k in range(5)}
    with_times = cross_validate(coruns, solo_ms=solo).baselines["theta"]
    assert with_times != cross_validate(coruns).baselines["theta"]


def test_theta_fits_a_table_that_follows_it():
    solo = {"a": 10.0, "b": 40.0, "c": 80.0, "d": 20.0}
    theta = {"a": 1.5, "b": 0.7, "c": 0.4, "d": 1.1}

    def slow(i, j):
        return 1 + theta[i] * solo[j] / (solo[i] + solo[j])

    runs = [CoRun(i, j, slow(i, j), slow(j, i)) for i in solo for j in solo if i < j]
    baselines = cross_validate(runs, solo_ms=solo).baselines
    assert baselines["theta"].mean_pct < 1e-6
    assert baselines["theta + gamma"].mean_pct < 0.1


def test_one_sided_co_runs_count_one_slowdown():
    runs = [*table(4), CoRun("m0", "new", 1.5), CoRun("m1", "new", 1.4)]
    assert cross_validate(runs).summary.runs == 14


@pytest.mark.parametrize("scheme", ["pair", "model"])
def test_too_few_co_runs_are_said_so(scheme):
    with pytest.raises(ValueError, match="leaving a"):
        cross_validate([CoRun("a", "b", 1.5, 1.2)], scheme)


def test_a_scheme_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'pair' or 'model'"):
        cross_validate(table(4), "fold")
