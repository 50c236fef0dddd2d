"""`nvinx explain` says in a sentence why a job ran where it did, or waits."""

import json

import pytest
from click.testing import CliRunner

from nvinx.admission import Card
from nvinx.cli import main
from nvinx.host import counter

RAN = {
    "schema": 1,
    "jobs": [
        {
            "name": "embed[1]",
            "submitted_s": 0.0,
            "started_s": 4.0,
            "ended_s": 9.5,
            "where": "GPU 0 shared",
            "why": "fits beside others; waited: card held alone by long",
            "ok": True,
        },
        {"name": "embed[2]", "submitted_s": 0.0, "where": "", "why": ""},
        {
            "name": "report",
            "submitted_s": 9.0,
            "started_s": 9.0,
            "ended_s": 9.1,
            "where": "CPU",
            "why": "no GPU asked",
            "ok": False,
        },
    ],
}
CARD = Card(id="simulated-0", index=0, name="toy", total_mib=4000, simulated=True)


@pytest.fixture
def explain(tmp_path, monkeypatch):
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / ".nvinx").mkdir()
    (tmp_path / ".nvinx" / "last-run.json").write_text(json.dumps(RAN))
    return lambda *words: CliRunner().invoke(main, ["explain", *words, str(tmp_path)])


def test_a_job_that_ran_is_explained(explain):
    assert explain("embed[1]").output == (
        "embed[1] ran on GPU 0 shared for 5.5 s, after 4.0 s: "
        "fits beside others; waited: card held alone by long.\n"
    )


def test_a_rule_stands_for_all_its_jobs(explain):
    first, second = explain("embed").output.splitlines()
    assert first.startswith("embed[1] ran")
    assert second == "embed[2] never started."


def test_a_failure_is_said(explain):
    assert "for 0.1 s, and failed, after 0.0 s: no GPU asked." in explain("report").output


def test_a_job_that_waits_is_explained_with_what_is_in_its_way(explain, tmp_path):
    seen = []

    def look(_reason):
        seen.append(explain("second").output)
        raise InterruptedError

    with (
        counter.whole_card(CARD, "first", tmp_path / "state", lambda _: None),
        pytest.raises(InterruptedError),
        counter.whole_card(CARD, "second", tmp_path / "state", look),
    ):
        pass
    assert "second has waited for a card for 0.0 s: card held alone by first." in seen[0]


def test_a_job_that_nobody_knows_is_an_error(explain):
    done = explain("nobody")
    assert done.exit_code == 1
    assert "No job nobody waits" in done.stderr
