"""The lanes as a picture: what ran where, in the report's colours, with a legend and the waits."""

import pytest
from recorded import ALONE, SHARED, Recorder

from nvinx.runs import lanes_picture, looks
from nvinx.runs import read as recorded

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture
def drawn(tmp_path):
    run = Recorder(tmp_path)
    run.job("embed", (0, 0, 4), SHARED)
    run.job("whole", (0, 4, 60), ALONE)
    run.job("cpu", (0, 0, 7))
    run.at(60).close()
    jobs = list(recorded.last(tmp_path).jobs.values())
    path = tmp_path / "lanes.svg"
    lanes_picture.draw_several({"With nvinx": jobs, "Without": jobs[:1]}, path)
    return path.read_text()


def test_each_kind_has_the_reports_colour_and_stands_in_the_legend(drawn):
    for kind in ("gpu_shared", "gpu_exclusive", "cpu_only"):
        assert looks.COLOURS[kind] in drawn
        assert looks.NAMES[kind] in drawn
    assert looks.NAMES["gpu_ram_overflow"] not in drawn


def test_titles_names_and_waits_are_on_it_and_the_same_run_gives_the_same_picture(drawn, tmp_path):
    for text in ("With nvinx", "Without", ">whole<", "waiting", "at most 1"):
        assert text in drawn, text
    again = tmp_path / "again.svg"
    jobs = list(recorded.last(tmp_path).jobs.values())
    lanes_picture.draw_several({"With nvinx": jobs, "Without": jobs[:1]}, again)
    assert again.read_text() == drawn


def test_waiting_jobs_are_counted_over_time(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 2, 3))
    run.job("b", (1, 2, 3))
    run.at(3).close()
    times, counts = looks.waiting(list(recorded.last(tmp_path).jobs.values()))
    assert (times, counts) == ([0.0, 1.0, 2.0], [1, 2, 0])
