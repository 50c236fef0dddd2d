"""Rates come from what was finished in a window, slowdowns from rates, and doubts are said."""

import json

import pytest

from nvinx.calibration.notebook import NAME, Notebook
from nvinx.calibration.programs import Program, parse
from nvinx.calibration.rates import rate, rates, slowdown, spread
from nvinx.calibration.results import Alone, Beside, Crowd, CrowdFailed, Failed, conclude
from nvinx.calibration.tasks import Group, Solo, Together
from nvinx.errors import CalibrationError

# rates


def test_a_rate_counts_parts_of_iterations():
    marks = [(10.0, 0), (12.0, 1), (14.0, 2)]
    assert rate(marks, 11.0, 14.0) == pytest.approx(1.5 / 3)
    assert rate(marks, 10.0, 12.0) == pytest.approx(0.5)
    assert rate(marks, 12.5, 13.5) == pytest.approx(0.5)


def test_thinned_marks_give_the_same_rate():
    fine = [(k / 100, k) for k in range(1001)]
    assert rate(fine[::7], 1.0, 9.0) == pytest.approx(rate(fine, 1.0, 9.0))


def test_a_window_that_was_not_lived_through_has_no_rate():
    marks = [(10.0, 0), (12.0, 1)]
    for start, end in ((9.0, 11.0), (11.0, 12.1)):
        with pytest.raises(ValueError, match="nothing is known"):
            rate(marks, start, end)


def test_windows_follow_each_other():
    marks = [(0.0, 0), (1.0, 10), (2.0, 15), (3.0, 25)]
    assert rates(marks, 0.0, 1.0, 3) == [10, 5, 10]


def test_the_slowdown_is_solo_over_co_run_rate_in_the_middle_window():
    assert slowdown(10.0, [5.0, 1.0, 6.0]) == 2.0
    assert spread([2.0, 2.1, 2.05]) == pytest.approx(0.05)


# what follows


def alone(model, *values, again=False, utilisation=None):
    return Alone(model, again, values, utilisation)


BEFORE_AND_AFTER = [
    alone("a", 10, 10, 10, utilisation=0.8),
    alone("b", 4, 4, 4),
    alone("a", 10.2, 10.2, 10.2, again=True, utilisation=0.9),
    alone("b", 4, 4, 4, again=True),
]


def test_slowdowns_are_against_the_mean_of_both_solo_runs():
    found = conclude([*BEFORE_AND_AFTER, Beside("a", "b", (5, 5, 5), (2, 2, 2))])
    (corun,) = found.coruns
    assert (corun.slowdown_a, corun.slowdown_b) == (pytest.approx(2.02, rel=1e-3), 2.0)
    assert found.solo["a"] == pytest.approx(10.1, rel=1e-4)
    assert found.utilisation == {"a": pytest.approx(0.85)}
    assert found.warnings == ()


def test_a_solo_rate_that_wandered_is_a_warning():
    found = conclude([alone("a", 10), alone("a", 9, again=True)])
    assert "a alone ran at rates 11% apart" in found.warnings[0]


def test_company_that_speeds_up_is_a_warning():
    found = conclude([*BEFORE_AND_AFTER, Beside("a", "b", (12, 12, 12), (4.1, 4.1, 4.1))])
    assert len(found.warnings) == 1
    assert "a ran 19% faster beside b than alone" in found.warnings[0]


def test_windows_that_differ_are_a_warning():
    found = conclude([*BEFORE_AND_AFTER, Beside("a", "b", (5, 5, 5), (2, 2.2, 2))])
    assert found.warnings == ("b beside a: the windows differ by 10%",)


def test_a_pair_that_could_not_run_is_left_out_and_said():
    found = conclude([*BEFORE_AND_AFTER, Failed("a", "b", "out of memory")])
    assert found.coruns == ()
    assert found.warnings == ("a beside b could not be measured: out of memory",)


# on disk

SETTING = {"card": "T4", "driver": "580", "sharing": "mps", "date": "2026-01-01", "window_s": 3.0}
PROGRAMS = {name: Program(name, command=f"run {name}") for name in "ab"}
RESULTS = [*BEFORE_AND_AFTER, Beside("a", "b", (5, 5.5, 5), (2, 2, 2)), Failed("b", "a", "oom")]


def test_results_survive_the_disk(tmp_path):
    first = Notebook(tmp_path / "new" / "folder", SETTING, PROGRAMS)
    for result in RESULTS:
        first.write(result)
    again = Notebook(tmp_path / "new" / "folder", {**SETTING, "date": "2026-02-02"}, {})
    assert again.results == RESULTS
    assert again.programs == PROGRAMS
    assert again.first == ["a", "b"]


def test_what_has_a_result_is_not_left_but_what_failed_is(tmp_path):
    notebook = Notebook(tmp_path, SETTING, PROGRAMS)
    tasks = [Solo("a"), Together("b", "a"), Solo("a", again=True), Together("a", "c")]
    notebook.write(alone("a", 1.0))
    notebook.write(Beside("a", "b", (1.0,), (1.0,)))
    notebook.write(Failed("a", "c", "oom"))
    assert notebook.left(tasks) == [Solo("a", again=True), Together("a", "c")]


def test_a_line_that_a_crash_cut_short_is_measured_again(tmp_path):
    Notebook(tmp_path, SETTING, PROGRAMS).write(alone("a", 1.0))
    with (tmp_path / NAME).open("a") as file:
        file.write('{"kind": "alone", "model": "b", "ag')
    notebook = Notebook(tmp_path, SETTING, PROGRAMS)
    notebook.write(alone("b", 2.0))
    assert Notebook(tmp_path, SETTING, {}).results == [alone("a", 1.0), alone("b", 2.0)]


def test_programs_that_come_later_are_added(tmp_path):
    Notebook(tmp_path, SETTING, PROGRAMS)
    Notebook(tmp_path, SETTING, {"c": Program("c", loader="m:c")})
    again = Notebook(tmp_path, SETTING, {})
    assert list(again.programs) == ["a", "b", "c"]
    assert again.first == ["a", "b"]
    assert again.programs["c"] == Program("c", loader="m:c")


@pytest.mark.parametrize(
    ("changes", "programs", "said"),
    [
        ({"card": "A100"}, {}, "card 'T4', now it is 'A100'"),
        ({"sharing": "time-slicing"}, {}, "sharing 'mps'"),
        ({"window_s": 1.0}, {}, "window_s 3.0"),
        ({}, {"a": Program("a", command="other")}, "another program called a"),
    ],
)
def test_another_setting_is_refused_and_nothing_lost(tmp_path, changes, programs, said):
    Notebook(tmp_path, SETTING, PROGRAMS).write(alone("a", 1.0))
    before = (tmp_path / NAME).read_text()
    with pytest.raises(CalibrationError, match=said):
        Notebook(tmp_path, {**SETTING, **changes}, programs)
    assert (tmp_path / NAME).read_text() == before


@pytest.mark.parametrize("text", ["x\n", "{}\n", '{"kind": "beside"}\n', "[1]\n"])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(CalibrationError, match="not a record of a calibration"):
        Notebook(tmp_path, SETTING, PROGRAMS)
    assert (tmp_path / NAME).read_text() == text


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="cannot be written"):
        Notebook(tmp_path / "file", SETTING, PROGRAMS)


def test_every_line_is_json_that_other_programs_can_read(tmp_path):
    notebook = Notebook(tmp_path, SETTING, PROGRAMS)
    for result in RESULTS:
        notebook.write(result)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / NAME).read_text().splitlines()]
    assert kinds == ["setting", "alone", "alone", "alone", "alone", "beside", "failed"]


# programs as people name them


def test_programs_are_named_by_option():
    assert parse(["zoo.bert:load", "esm=zoo:load_esm"], ["sort=sort -n x=1"]) == [
        Program("load", loader="zoo.bert:load"),
        Program("esm", loader="zoo:load_esm"),
        Program("sort", command="sort -n x=1"),
    ]


@pytest.mark.parametrize("text", ["zoo.bert", "zoo:", ":load", "=zoo:load", "zoo/bert.py:load"])
def test_a_model_that_names_no_loader_is_refused(text):
    with pytest.raises(CalibrationError, match="not a module:loader"):
        parse([text], [])


@pytest.mark.parametrize("text", ["sleep 1", "=sleep 1", "a=", " = "])
def test_a_command_without_name_or_program_is_refused(text):
    with pytest.raises(CalibrationError, match="names no program"):
        parse([], [text])


def test_two_programs_of_one_name_are_refused():
    with pytest.raises(CalibrationError, match=r"two programs.*a_2="):
        parse(["a=m:f"], ["a=true"])


# three together


CROWD = Crowd(("a", "b", "c"), ((4.0, 5.0, 4.5), (3.0, 3.0, 3.0), (10.0, 10.0, 9.0)))


def test_three_together_are_slowed_by_what_each_does_alone_over_beside():
    alone = [Alone(name, False, (9.0, 9.0, 9.0)) for name in "abc"]
    (group,) = conclude([*alone, CROWD]).groups
    assert group.models == ("a", "b", "c")
    assert group.slowdowns == pytest.approx((2.0, 3.0, 0.9))


def test_three_that_cannot_run_together_are_told_of():
    warnings = conclude([CrowdFailed(("a", "b", "c"), "no memory")]).warnings
    assert warnings == ("a, b, c could not be measured together: no memory",)


def test_three_together_are_read_back_and_what_failed_is_tried_again(tmp_path):
    programs = {p.name: p for p in parse([], [f"{name}=true" for name in "abcd"])}
    first = Notebook(tmp_path, {}, programs)
    first.write(CROWD)
    first.write(CrowdFailed(("b", "c", "d"), "no memory"))
    again = Notebook(tmp_path, {}, programs)
    assert again.results == first.results
    tasks = [Group(("a", "b", "c")), Group(("b", "c", "d")), Together("a", "b")]
    assert again.left(tasks) == tasks[1:]
