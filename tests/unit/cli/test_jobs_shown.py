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


@pytest.mark.parametrize("columns", range(80, 130))
def test_no_letter_of_a_reason_is_cut_however_wide_the_terminal_is(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    why = "larger than the card, spills to RAM; waited: needs the whole card, embed[2] still on it"
    spilled = {"submitted_s": 0.0, "started_s": 180.0, "ended_s": 240.0, "where": "GPU 0 + RAM"}
    jobs.show([Ran(name="embed_sized[attention_narrow]", why=why, **spilled)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    table = lines[next(n for n, line in enumerate(lines) if "─" * 20 in line) + 1 :]
    assert why.replace(" ", "") in "".join(line[lines[3].index("why") :] for line in table).replace(
        " ", ""
    )
