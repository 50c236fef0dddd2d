"""What a run did can be read back, and drawn as lanes."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvinx import lanes, record
from nvinx.admission import Job, Placement
from nvinx.catalog import Residency
from nvinx.claim import Claim
from nvinx.errors import RecordError
from nvinx.reasons import Reason, Why
from nvinx.testing import FakeClock

ALONE = Placement(Residency.GPU_EXCLUSIVE, Why.WHOLE_CARD, "gpu-0", 4000)


def job(job_id):
    return Job(job_id, f"rule[{job_id}]", Claim(residency=Residency.GPU_EXCLUSIVE))


def test_a_run_is_written_and_read_back(tmp_path):
    clock = FakeClock(100.0)
    run = record.RunRecord(clock)
    run.submitted(job("a"))
    run.waited("a", Reason("rule[a]", Why.WANTS_CARD_ALONE, behind=("b",)))
    clock.now = 103.0
    run.started(job("a"), ALONE, "GPU 0 alone")
    clock.now = 108.5
    run.ended("a", ok=False)
    run.submitted(job("never"))
    run.write(tmp_path / record.PATH)

    a, never = record.read(tmp_path / record.PATH)
    assert (a.name, a.waited_s, a.ran_s, a.ok, a.where) == (
        "rule[a]",
        3.0,
        5.5,
        False,
        "GPU 0 alone",
    )
    assert a.why == "whole card asked; waited: wants the card alone, b still there"
    assert (never.waited_s, never.ran_s, never.ok) == (None, None, None)


def test_git_does_not_see_the_record(tmp_path):
    record.RunRecord(FakeClock()).write(tmp_path / record.PATH)
    assert (tmp_path / ".nvinx" / ".gitignore").read_text() == "*\n"


def test_a_folder_that_cannot_be_written_fails_no_run(tmp_path):
    (tmp_path / ".nvinx").write_text("a file in the way")
    record.RunRecord(FakeClock()).write(tmp_path / record.PATH)
    assert (tmp_path / ".nvinx").read_text() == "a file in the way"


def test_no_record_is_no_jobs(tmp_path):
    assert record.read(tmp_path / record.PATH) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"jobs": [{"colour": 1}]}', '{"jobs": 3}'])
def test_a_file_that_is_no_record_is_a_clear_error(tmp_path, text):
    path = tmp_path / "last-run.json"
    path.write_text(text)
    with pytest.raises(RecordError, match="Fix: "):
        record.read(path)


def ran(name, start, length, where):
    return record.Ran(name, 0.0, start, start + length, where=where, ok=True)


runs = st.lists(
    st.builds(
        ran,
        st.text("abc[]", min_size=1, max_size=30),
        st.floats(0, 100),
        st.floats(0, 50),
        st.sampled_from(["GPU 0 shared", "GPU 1 alone", "GPU 0 + RAM", "CPU"]),
    ),
    max_size=20,
)


@given(runs)
def test_jobs_on_one_lane_never_overlap_and_none_is_lost(jobs):
    placed = lanes.lanes(jobs)
    for rows in placed.values():
        for row in rows:
            assert all(a.end_s <= b.start_s for a, b in pairwise(row))
    assert sum(len(row) for rows in placed.values() for row in rows) == len(jobs)
    assert list(placed) == sorted(placed, key=lambda p: (p == "CPU", p))


@given(runs, st.integers(20, 200))
def test_lanes_fit_the_terminal(jobs, width):
    lines = lanes.draw(jobs, width)
    assert all(len(line) <= width for line in lines)
    assert bool(lines) == bool(jobs)


def test_a_job_that_never_ran_has_no_lane():
    assert lanes.draw([record.Ran("a", 0.0)], 80) == []


def test_the_record_is_plain_json(tmp_path):
    record.RunRecord(FakeClock()).write(tmp_path / record.PATH)
    assert json.loads((tmp_path / record.PATH).read_text()) == {"schema": 1, "jobs": []}
