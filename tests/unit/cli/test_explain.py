"""`nvinx explain` says in a sentence why a job ran where it did, or waits."""

import pytest
from builders import simulated_card
from click.testing import CliRunner
from recorded import SHARED, Recorder

from nvinx.cli import main
from nvinx.jobs.outcome import Outcome
from nvinx.leases import client
from nvinx.reasons import Why

CARD = simulated_card(name="toy")


@pytest.fixture
def explain(tmp_path, monkeypatch):
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    run = Recorder(tmp_path)
    run.job("embed[1]", (0, 4, 9.5), SHARED, why=Why.CARD_HELD_EXCLUSIVELY)
    run.job("embed[2]", (0,), SHARED)
    run.job("report", (9, 9, 9.1), outcome=Outcome.FAILED)
    return lambda *words: CliRunner().invoke(main, ["explain", *words, str(tmp_path)])


def test_a_job_that_ran_is_explained(explain):
    assert explain("embed[1]").output == (
        "embed[1] ran on GPU 0 shared for 5.5 s, after a wait of 4.0 s: fits beside others; "
        "waited: card held exclusively by long.\n"
    )


def test_a_rule_stands_for_all_its_jobs(explain):
    first, second = explain("embed").output.splitlines()
    assert first.startswith("embed[1] ran")
    assert second == "embed[2] never started."


def test_a_job_that_is_not_there_is_said_with_the_folder(explain, tmp_path):
    done = explain("nobody")
    assert done.exit_code == 1
    assert done.output == (
        f"No job nobody waits, nor is one in the last run in {tmp_path}. It has embed, report.\n"
    )


def test_a_job_that_is_misspelt_is_answered_with_the_right_one(explain):
    assert explain("embde").output.endswith("Did you mean embed?\n")


def test_where_nothing_ran_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    done = CliRunner().invoke(main, ["explain", "embed", str(tmp_path)])
    assert f"no run is recorded in {tmp_path}." in done.stderr


def test_a_failure_is_said(explain):
    assert "for 0.1 s, at once, and failed: no GPU requested." in explain("report").output


@pytest.mark.parametrize("name", ["second", "embed[2]"])
def test_a_job_that_waits_is_explained_with_what_is_in_its_way(explain, tmp_path, name):
    seen = []

    def look(_reason):
        seen.append(explain(name).output)
        raise InterruptedError

    with (
        client.whole_card(CARD, "first", tmp_path / "state", lambda _: None),
        pytest.raises(InterruptedError),
        client.whole_card(CARD, name, tmp_path / "state", look),
    ):
        pass
    (said,) = seen
    assert said.startswith(f"{name} has waited for a card for ")
    assert said.endswith(" s: card held exclusively by first.\n")


def test_a_job_that_nobody_knows_is_an_error(explain):
    done = explain("nobody")
    assert done.exit_code == 1
    assert "No job nobody waits" in done.stderr
