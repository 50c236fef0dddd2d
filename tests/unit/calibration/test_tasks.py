"""A calibration measures 2N co-runs, every model alone first and last, with few loads."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvinx.calibration.tasks import (
    Solo,
    Together,
    Windows,
    duration_s,
    plan,
    plan_newcomers,
    plan_triples,
)

NAMES = [f"m{k}" for k in range(12)]


def pairs(tasks):
    return [frozenset(task.models) for task in tasks if isinstance(task, Together)]


def loads(tasks):
    """How often a program is loaded when two stay loaded."""
    loaded, count = [], 0
    for task in tasks:
        count += len(set(task.models) - set(loaded))
        loaded = [*task.models, *(name for name in loaded if name not in task.models)][:2]
    return count


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (3, 3), (4, 6), (5, 10), (6, 12), (9, 18)])
def test_each_model_meets_four_others_where_there_are_so_many(n, expected):
    found = pairs(plan(NAMES[:n]))
    assert len(found) == len(set(found)) == expected
    for name in NAMES[:n]:
        assert sum(name in pair for pair in found) == min(n - 1, 4)


@given(st.integers(2, 12), st.integers(0, 3))
def test_every_model_is_alone_before_its_first_and_after_its_last_co_run(n, probes):
    tasks = plan(NAMES[:n], NAMES[: min(probes, n)])
    for name in {model for task in tasks for model in task.models}:
        mine = [task for task in tasks if name in task.models]
        assert (mine[0], mine[-1]) == (Solo(name), Solo(name, again=True))
        assert all(isinstance(task, Together) for task in mine[1:-1])


def test_few_programs_are_loaded_anew():
    assert loads(plan(NAMES)) <= 2 * len(NAMES) + 1


def test_with_probes_every_model_meets_each_of_them():
    found = pairs(plan(NAMES[:6], probes=["m4", "m1"]))
    assert len(found) == len(set(found)) == 9
    assert all(pair & {"m4", "m1"} for pair in found)


def test_newcomers_meet_the_partners_and_these_are_not_measured_alone_again():
    tasks = plan_newcomers(["new"], ["m0", "m1"])
    assert tasks == [
        Solo("new"),
        Together("m0", "new"),
        Together("m1", "new"),
        Solo("new", again=True),
    ]


@pytest.mark.parametrize("names", [[], ["m0"]])
def test_one_model_alone_is_no_plan(names):
    with pytest.raises(ValueError, match="at least two"):
        plan(names)


def test_the_time_left_counts_windows_and_loads():
    tasks = [Solo("a"), Solo("b"), Together("a", "b")]
    assert duration_s(tasks, Windows(3, 3, 2), load_s=10) == 3 * 11 + 2 * 10
    assert duration_s([], Windows(), 10) == 0


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_triples_are_of_programs_whose_pairs_are_measured_and_each_takes_part(count):
    names = [f"m{k}" for k in range(count)]
    pairs = {frozenset(t.models) for t in plan(names) if isinstance(t, Together)}
    triples = plan_triples(names)
    assert len(triples) == (1 if count == 3 else count)
    assert {name for group in triples for name in group.models} == set(names)
    for group in triples:
        assert len(set(group.models)) == 3
        assert {frozenset(two) for two in itertools.combinations(group.models, 2)} <= pairs


def test_with_probes_triples_are_each_program_beside_both():
    triples = plan_triples(["a", "b", "c", "d"], ["d", "b"])
    assert [group.models for group in triples] == [("a", "b", "d"), ("b", "c", "d")]


def test_two_programs_are_too_few_for_triples():
    with pytest.raises(ValueError, match="at least three"):
        plan_triples(["a", "b"])
