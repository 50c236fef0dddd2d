"""The contended card's tables and pictures, from results that are there; no job runs here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import GIVE_UP_S

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "contended_card"
MEASURED = ROOT / "docs" / "measured" / "contended_card.json"


def run(*options):
    return subprocess.run(
        [sys.executable, FOLDER / "run.py", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_S,
    )


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import contenders
    import report

    yield contenders, report
    for name in ("contenders", "report"):
        monkeypatch.delitem(sys.modules, name)


def fine(span_s, succeeded=11):
    return {
        "span_s": span_s,
        "succeeded": succeeded,
        "out_of_memory": 11 - succeeded,
        "workflows_succeeded": int(succeeded == 11),
    }


def card_of(**results):
    sizes = {"set": "cool", "copies": 1, "actual_mb": 900, "jobs": 11, "lower_bound_s": 23.0}
    return {**sizes, "results": results}


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_committed_figures_are_shown_and_drawn(tmp_path, suffix):
    picture = tmp_path / f"spans.{suffix}"
    done = run("--from", MEASURED, "--plot", picture)
    assert done.returncode == 0, done.stderr
    assert "contended card, cool set" in done.stdout
    assert "contended card, hot set" in done.stdout
    assert picture.stat().st_size > 5000


def test_the_committed_figures_hold_every_contender(modules):
    contenders, _ = modules
    measured = json.loads(MEASURED.read_text())
    for one in measured["sets"]:
        assert list(one["results"]) == [c.name for c in contenders.CONTENDERS]
        assert all("span_s" in r for rounds in one["results"].values() for r in rounds)


def test_json_for_a_file_is_what_was_read(tmp_path):
    assert run("--from", MEASURED, "--json", tmp_path / "again.json").returncode == 0
    assert (tmp_path / "again.json").read_text() == MEASURED.read_text()
    assert json.loads(run("--from", MEASURED, "--json").stdout) == json.loads(MEASURED.read_text())


def test_a_peer_that_is_not_installed_is_a_row_and_not_a_crash(modules, tmp_path):
    contenders, report = modules
    absent = contenders.Contender(
        name="absent", label="absent", arguments=(), needs="no_such_module", package="absent-peer"
    )
    assert absent.missing() == "not installed (pip install absent-peer)"
    measured = card_of(absent=[{"note": absent.missing()}], nvinx=[fine(23.1)])
    assert report.row(measured, "absent") == ["absent", "not installed (pip install absent-peer)"]
    report.draw([measured], str(tmp_path / "spans.png"))


def test_contenders_have_names_of_their_own(modules):
    contenders, _ = modules
    assert len({c.name for c in contenders.CONTENDERS}) == len(contenders.CONTENDERS)


def test_lost_jobs_have_no_ratio_and_are_said_on_the_bar(modules, tmp_path):
    _, report = modules
    measured = card_of(**{"stock-gpu": [fine(20.0), fine(21.0, 9)], "nvinx": [fine(23.0)]})
    assert report.row(measured, "stock-gpu") == [
        "stock, gpu=1",
        "20.0, 21.0",
        "11, 9 of 11",
        "0, 2",
        "lost jobs",
    ]
    assert report.row(measured, "nvinx")[-1] == "1.00"
    report.draw([measured], str(tmp_path / "spans.svg"))
    assert "20.5 s, 2 of 11 jobs lost" in (tmp_path / "spans.svg").read_text()


def test_without_nvinx_there_is_no_ratio(modules):
    _, report = modules
    assert report.row(card_of(**{"stock-gpu": [fine(32.2)]}), "stock-gpu")[-1] == ""


def test_only_runs_that_say_so_share_a_state_folder(modules, tmp_path):
    contenders, _ = modules
    first, second, alone = (
        contenders.Contender(name=name, label=name, arguments=("{state}",), state=state)
        for name, state in (("first", "ours"), ("second", "ours"), ("alone", ""))
    )
    assert first.state_folder(tmp_path) == second.state_folder(tmp_path)
    assert alone.state_folder(tmp_path) != first.state_folder(tmp_path)
    assert str(tmp_path) in alone.command(tmp_path, 900)
