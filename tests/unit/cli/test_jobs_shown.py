"""A table of very many jobs ends where nobody reads any further."""

import pytest

from nvinx.cli import jobs
from nvinx.runs.read import Ran


def test_the_first_of_very_many_jobs_are_shown(capsys):
    ran = [
        Ran(name=f"j{n}", submitted_s=0.0, started_s=float(n), ended_s=n + 1.0) for n in range(9)
    ]
    jobs.show(ran, most=3)
    text = capsys.readouterr().out
    assert "j2 " in text
    assert "j3 " not in text
    assert "... and 6 more; --json lists all." in text
    jobs.show(ran)
    assert "more; --json" not in capsys.readouterr().out


WHY = "larger than the card, spills to RAM; waited: needs the whole card, embed[2] still on it"
SPILLED = {"submitted_s": 0.0, "started_s": 180.0, "ended_s": 240.0, "where": "GPU 0 + RAM"}


@pytest.fixture
def table(capsys, monkeypatch):
    """The lines of the table in a terminal of so many columns, below its head."""

    def lines(columns, name="embed_sized[attention_narrow]"):
        monkeypatch.setenv("COLUMNS", str(columns))
        jobs.show([Ran(name=name, why=WHY, **SPILLED)])
        shown = capsys.readouterr().out.splitlines()
        assert max(map(len, shown)) <= columns
        return shown[next(n for n, line in enumerate(shown) if "─" * 20 in line) + 1 :]

    return lines


@pytest.mark.parametrize("columns", range(60, 130))
def test_no_letter_of_a_reason_is_cut_however_wide_the_terminal_is(table, columns):
    assert WHY.replace(" ", "") in "".join(table(columns)).replace(" ", "")


def test_reasons_have_lines_of_their_own_where_the_terminal_is_narrow(table):
    assert table(80)[0].split()[-1] == "s"
    assert table(80)[1].startswith("   larger than the card, spills to RAM; waited: needs")
    assert "s   larger than the card" in table(120)[0]


def test_a_name_that_leaves_no_room_has_a_line_of_its_own(table):
    name = f"embed[{'a' * 60}]"
    assert table(80, name)[0].strip() == name
    assert table(80, name)[1].split()[:2] == ["GPU", "0"]
