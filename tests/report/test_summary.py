"""What a page shows of a run is what its trace says."""

import pytest
from builders import granted, part_claim
from hypothesis import given
from hypothesis import strategies as st
from recorded import ALONE, CARD, SHARED, Recorder

from nvinx.admission.job import Placement
from nvinx.catalog import Residency
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Why
from nvinx.runs import read as recorded
from nvinx.runs import summary as run_summary


@pytest.fixture
def run(tmp_path):
    run = Recorder(tmp_path)
    run.job("a[1]", (0, 0, 4), SHARED)
    run.job("a[2]", (0, 1, 5), SHARED)
    run.job("cpu", (0, 0, 10))
    run.job("whole", (0, 6, 8), ALONE)
    run.job("never", (9,), ALONE)
    run.at(2).sample(cpu=0.5, ram_left_mib=1, cards=[{"id": "gpu-0", "used_mib": 1000}])
    run.at(10).close()
    return recorded.last(tmp_path)


def test_jobs_on_one_lane_never_overlap_and_gpus_come_first(run):
    found = run_summary.bars(run.jobs.values())

    assert [(bar.lane, bar.job.name) for bar in found] == [
        ("GPU 0", "a[1]"),
        ("GPU 0", "whole"),
        ("GPU 0 (2)", "a[2]"),
        ("CPU", "cpu"),
    ]


def test_what_jobs_hold_adds_up_over_time(run):
    steps = run_summary.reserved(run, CARD)

    assert steps.times_s == (0.0, 1.0, 4.0, 5.0, 6.0, 8.0)
    assert [round(gb, 2) for gb in steps.values] == [0.94, 1.89, 0.94, 0.0, 4.19, 0.0]
    assert run_summary.busy_share(run, CARD) == pytest.approx(0.7)


def test_a_job_that_has_the_card_alone_may_declare_less(tmp_path):
    run = Recorder(tmp_path)
    run.job("some", (0, 0, 2), ALONE, vram_mib=1000)
    run.job("whole", (0, 3, 4), ALONE)
    found = recorded.last(tmp_path)

    assert [round(gb, 2) for gb in run_summary.declared(found, CARD).values] == [1.05, 0, 4.19, 0]
    assert [round(gb, 2) for gb in run_summary.reserved(found, CARD).values] == [4.19, 0, 4.19, 0]


def test_samples_become_curves(run):
    assert run_summary.measured(run, CARD).times_s == (2.0,)
    assert run_summary.cpu(run).values == (0.5,)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=30))
def test_lanes_hold_every_job_once(tmp_path_factory, times):
    folder = tmp_path_factory.mktemp("run")
    run = Recorder(folder)
    for n, (start, length) in enumerate(times):
        run.job(str(n), (start, start, start + length))
    bars = run_summary.bars(recorded.last(folder).jobs.values())

    assert sorted(bar.job.name for bar in bars) == sorted(map(str, range(len(times))))
    by_lane = {}
    for bar in bars:
        assert by_lane.get(bar.lane, 0) <= bar.job.started_s
        by_lane[bar.lane] = bar.job.ended_s


def test_rules_that_declare_too_much_are_told_what_more_would_fit(tmp_path):
    run = Recorder(tmp_path)
    for n in range(2):
        run.job(f"embed[{n}]", (0, 0), SHARED)
        run.at(1 + n).ended(f"embed[{n}]", Outcome.OK, 500)
    run.at(3).close()

    assert run_summary.suggestions(recorded.last(tmp_path))[0] == (
        "rule embed: declare 580 instead of 944 MB, then 3 more fit the card"
    )


def test_a_rule_that_declares_too_little_is_told_too(tmp_path):
    run = Recorder(tmp_path)
    run.job("grows", (0, 0), SHARED)
    run.at(1).ended("grows", Outcome.OK, 1500)

    assert run_summary.suggestions(recorded.last(tmp_path))[0] == (
        "rule grows: declare 1740 instead of 944 MB"
    )


def test_a_declaration_for_the_largest_input_is_told_where_small_ones_waste_it(tmp_path):
    run = Recorder(tmp_path)
    for n in range(1, 9):
        run.job(f"fold[{n}]", (0, 0), SHARED, size=float(n))
        run.at(n).ended(f"fold[{n}]", Outcome.OK, 80 * n)
    run.at(9).close()

    assert (
        "rule fold: declared 944 MB; with vram_mb='auto' at most 410 MB would be held for the "
        "smaller half of its inputs, and 1 more would fit in the place of one"
    ) in run_summary.suggestions(recorded.last(tmp_path))


def test_what_was_learned_is_no_declaration_to_change(tmp_path):
    run = Recorder(tmp_path)
    run.job("learns", (0, 0), SHARED, auto_vram=True)
    run.at(1).ended("learns", Outcome.OK, 100)

    assert not [s for s in run_summary.suggestions(recorded.last(tmp_path)) if "declare" in s]


def test_a_change_that_would_help_is_told_with_its_seconds(tmp_path):
    run = Recorder(tmp_path)
    for n in range(8):
        run.job(f"wide[{n}]", (0, 10 * n, 10 * n + 10), cores=4)
    run.at(80).close()

    assert "would save" in run_summary.suggestions(recorded.last(tmp_path))[0]


def test_a_job_that_spills_over_cards_is_shown_on_each(tmp_path):
    run = Recorder(tmp_path)
    both = Placement(
        Residency.GPU_RAM_OVERFLOW, Why.SPILLS_TO_RAM, "other", 4000, 100, more=("gpu-0",)
    )
    run.job("big", (0, 0, 5), both)
    run.at(5).close()

    assert run_summary.busy_share(recorded.last(tmp_path), CARD) == pytest.approx(1)


def seen(tmp_path, peak_mib, part="1/3"):
    run = Recorder(tmp_path)
    run.job("embed[1]", (0, 0), granted(part_claim(part)))
    run.at(2).ended("embed[1]", Outcome.OK, peak_mib)
    run.at(3).close()
    return recorded.last(tmp_path)


@pytest.mark.parametrize(
    ("peak_mib", "said"),
    [
        (700, ["ask for gpu_share='1/5' instead of '1/3', then 2 more fit the card"]),
        (1100, []),
        (1700, ["ask for gpu_share='1/2' instead of '1/3', as its jobs used more"]),
        (3000, ["ask for gpu=1 instead of '1/3', as its jobs used more"]),
        (0, []),
    ],
)
def test_a_part_is_held_against_what_jobs_used_of_the_card(tmp_path, peak_mib, said):
    found = run_summary.suggestions(seen(tmp_path, peak_mib))
    assert [line for line in found if "ask for" in line] == [f"rule embed: {x}" for x in said]


def test_a_part_is_told_with_the_reason_and_counts_as_declared(tmp_path):
    (job,) = seen(tmp_path, 700).jobs.values()
    assert job.why == "a third of the card; fits beside others"
    assert job.declared_mib == 1333
