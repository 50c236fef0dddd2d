"""A table of very many jobs ends where nobody reads any further."""

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
