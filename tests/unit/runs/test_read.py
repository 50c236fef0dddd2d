"""What a run did can be read back, and drawn as lanes."""

import os
from itertools import pairwise

import pytest
from builders import card
from hypothesis import given
from hypothesis import strategies as st
from recorded import ALONE, CARD, Recorder

from nvinx.admission.events import Reclaim
from nvinx.admission.job import Placement
from nvinx.catalog import Residency
from nvinx.errors import RecordError
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason, Why
from nvinx.runs import lanes, replay, summary, trace
from nvinx.runs import read as recorded

LATER = card(1, name="later", total_mib=8000)


def test_a_run_is_written_and_read_back(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3, 8.5), ALONE, why=Why.WANTS_CARD_ALONE, outcome=Outcome.FAILED)
    run.job("never", (8.5,), after=("a",))
    run.at(9).close()

    read = recorded.last(tmp_path)
    a, never = read.jobs.values()
    assert (a.name, a.waited_s, a.ran_s, a.ok, a.where) == ("a", 3.0, 5.5, False, "GPU 0 alone")
    assert a.why == "whole card requested; waited: needs the whole card, long still on it"
    assert (never.waited_s, never.ran_s, never.ok, never.after) == (None, None, None, ("a",))
    assert (read.over_s, read.cards) == (9.0, (CARD,))


def test_a_job_that_was_preempted_has_not_failed(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3), ALONE)
    run.at(5).preempted(Reclaim("a", "urgent", 2.0, 0.0))
    run.at(6).ended("a", Outcome.PREEMPTED, None)

    (a,) = recorded.last(tmp_path).jobs.values()
    assert (a.ok, a.was_preempted, a.end_word) == (None, True, "preempted")
    assert a.end_words == "preempted for urgent"


def test_a_job_that_was_suspended_is_on_its_lane_before_and_after(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3), ALONE)
    run.at(5).preempted(Reclaim("a", "urgent", 2.0, 0.0, 4000))
    run.at(6).moved("a", "off card")
    run.job("urgent", (6, 6, 9), ALONE)
    run.at(10).moved("a", "back")
    run.at(14).ended("a", Outcome.OK, None)

    a, _ = recorded.last(tmp_path).jobs.values()
    assert (a.ok, a.suspended_s, a.ran_s) == (True, 4.0, 7.0)
    assert (a.end_word, a.end_words) == ("", "suspended for 4.0 s, for urgent")
    (lane,) = lanes.lanes(recorded.last(tmp_path).jobs.values())["GPU 0"]
    spans = [(span.name, span.start_s, span.end_s) for span in lane]
    assert spans == [("a", 3.0, 6.0), ("urgent", 6.0, 9.0), ("a", 10.0, 14.0)]


def test_one_that_ended_while_it_was_suspended_stood_still_until_then(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3), ALONE)
    run.at(6).moved("a", "off card")
    run.at(8).ended("a", Outcome.FAILED, None)
    (a,) = recorded.last(tmp_path).jobs.values()
    assert (a.suspended_s, a.ran_s) == (2.0, 3.0)
    assert a.end_words == "failed, suspended for 2.0 s, for another job"
    (lane,) = lanes.lanes([a])["GPU 0"]
    assert [(span.start_s, span.end_s) for span in lane] == [(3.0, 6.0)]


def test_one_that_stayed_was_not_suspended(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3), ALONE)
    run.at(6).moved("a", "stayed")
    run.at(8).ended("a", Outcome.OK, None)
    (a,) = recorded.last(tmp_path).jobs.values()
    assert (a.off_card, a.end_words) == ((), "")


def test_a_run_that_was_killed_is_there_up_to_its_last_event(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 3), ALONE)
    path = trace.latest(tmp_path)
    path.write_text(path.read_text() + '{"s": 4.0, "event": "end')

    read = recorded.last(tmp_path)
    assert (read.jobs["a"].started_s, read.jobs["a"].ended_s, read.over_s) == (3.0, None, None)


def test_a_reason_is_written_once_for_as_long_as_it_stays(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0,), ALONE, why=Why.WANTS_CARD_ALONE)
    for _ in range(5):
        run.trace.waited("a", Reason("a", Why.WANTS_CARD_ALONE, behind=("long",)))
    run.trace.waited("a", Reason("a", Why.NOT_ENOUGH_CORES))

    assert trace.latest(tmp_path).read_text().count('"waits"') == 2
    assert recorded.last(tmp_path).jobs["a"].waited_for["why"] == "not_enough_cores"


def test_samples_and_cards_that_come_later_are_kept(tmp_path):
    run = Recorder(tmp_path)
    run.trace.met([LATER])
    run.at(2).sample(cpu=0.5, ram_left_mib=100, cards=[])
    run.job("b", (3, 3, 4), Placement(Residency.GPU_EXCLUSIVE, Why.WHOLE_CARD, "gpu-1", 1))

    read = recorded.last(tmp_path)
    assert [sample["cpu"] for sample in read.samples] == [0.5]
    assert read.jobs["b"].where == "GPU 1 alone"


def test_git_does_not_see_the_trace(tmp_path):
    Recorder(tmp_path)
    assert (tmp_path / ".nvinx" / ".gitignore").read_text() == "*\n"


def test_only_the_last_few_traces_are_kept(tmp_path):
    for number in range(trace.KEPT + 3):
        Recorder(tmp_path).job(f"job{number}", (0, 0, 1))

    assert len(list((tmp_path / ".nvinx").glob("trace*"))) == trace.KEPT
    assert list(recorded.last(tmp_path).jobs) == [f"job{trace.KEPT + 2}"]


@pytest.mark.parametrize("pattern", ["*.*", "*.jsonl", "*_*", "*-*", "*/*.json", "**/*.txt"])
def test_a_trace_fits_no_pattern_of_a_workflow(tmp_path, pattern):
    Recorder(tmp_path).job("a", (0, 0, 1))
    found = [path.name for path in (tmp_path / ".nvinx").glob(pattern)]

    assert [name for name in found if name != ".gitignore"] == []


def test_a_trace_of_before_counts_until_there_is_a_later_one(tmp_path):
    before = tmp_path / ".nvinx" / "trace-20200101T101010.123456-99.jsonl"
    before.parent.mkdir()
    before.write_text("{}")
    assert trace.latest(tmp_path) == before
    Recorder(tmp_path).job("a", (0, 0, 1))

    assert list(recorded.last(tmp_path).jobs) == ["a"]


def test_a_folder_that_cannot_be_written_fails_no_run(tmp_path):
    (tmp_path / ".nvinx").write_text("a file in the way")
    Recorder(tmp_path).job("a", (0, 0, 1))
    assert (tmp_path / ".nvinx").read_text() == "a file in the way"


def test_a_disk_that_gets_full_fails_no_run(tmp_path):
    run = Recorder(tmp_path)
    os.dup2(full := os.open("/dev/full", os.O_WRONLY), run.trace._fd)
    os.close(full)
    run.job("a", (0, 0, 1))
    run.trace.close()
    assert recorded.last(tmp_path).jobs == {}


def test_no_trace_is_wanted_none_is_there(tmp_path):
    Recorder(None).job("a", (0, 0, 1))
    assert recorded.last(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    ["", "{\n{", "[]\n", '{"event": "run", "schema": 99}\n', '{"s": 0, "event": "over"}\n', "3\n"],
)
def test_a_file_that_is_no_trace_is_a_clear_error(tmp_path, text):
    path = tmp_path / "trace-x.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match="Fix: "):
        recorded.read(path)


def ran(name, start, length, where):
    return recorded.Ran(name, 0.0, start, start + length, where=where, ok=True)


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


def test_a_job_of_several_cards_is_on_a_lane_of_each():
    wide, other = ran("wide", 0.0, 5.0, "GPU 0+1 alone"), ran("other", 6.0, 1.0, "GPU 1 shared")
    placed = lanes.lanes([wide, other])
    names = {place: [span.name for row in rows for span in row] for place, rows in placed.items()}
    assert names == {"GPU 0": ["wide"], "GPU 1": ["wide", "other"]}


def test_what_a_job_of_several_cards_held_of_each_is_read_back(tmp_path):
    run = Recorder(tmp_path)
    run.trace.met([LATER])
    both = Placement(
        Residency.GPU_SHARED,
        Why.FITS_BESIDE_OTHERS,
        CARD.id,
        1000,
        more=(LATER.id,),
        more_mib=(2000,),
    )
    run.job("wide", (0, 0, 5), both)
    read = recorded.last(tmp_path)
    assert [max(summary.reserved(read, one).values) for one in read.cards] == [
        pytest.approx(1.05, abs=0.01),
        pytest.approx(2.10, abs=0.01),
    ]
    (task,) = replay.workload_of(read).tasks.values()
    assert task.cards == CardCount(2, 2)


def test_a_job_that_never_ran_has_no_lane():
    assert lanes.draw([recorded.Ran("a", 0.0)], 80) == []
