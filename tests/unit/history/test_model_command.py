"""`nvinx history --model` tells who slows whom, how sure that is and from what, and draws it."""

import json

import pytest
from builders import company, past_run
from click.testing import CliRunner

from nvinx.cli import main
from nvinx.cli.doctor_checks import contradictions
from nvinx.history.store import SqliteHistory

BENCH = """
hardware: {vram_gb: 4, simulated: true}
models: [{name: hot, vram_gb: 1, residency: gpu_shared}, {name: cool, vram_gb: 1, residency: gpu_shared}]
interference:
  pairs:
    - {a: hot, b: cool, slowdown_a: 1.05, slowdown_b: 1.01}
    - {a: hot, b: hot, slowdown_a: 1.5, slowdown_b: 1.5}
"""


def run(ran_s, *partners, profile="hot"):
    together = (company(ran_s, *partners),) if partners else ()
    known = {"profile": profile, "card": "simulated GPU 0"}
    return past_run(f"{profile}@1", float(ran_s), *together, **known)


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    (tmp_path / "nvinx.yaml").write_text("hardware: {vram_gb: 4, simulated: true}\n")
    return tmp_path / "state"


def nvinx(*words):
    return CliRunner().invoke(main, list(words))


def remember(state, *runs):
    names = {line["name"] for line in json.loads(nvinx("bench", "--json").output)["cards"]}
    (card,) = names
    from msgspec.structs import replace

    SqliteHistory(state / "history.db").add([replace(run, card=card) for run in runs], "w")


def test_each_pair_is_told_with_its_interval_and_what_it_rests_on(state):
    remember(state, *[run(10), run(30, "cool")] * 8)
    shown = nvinx("history", "--model").output
    (row,) = [line for line in shown.splitlines() if line.split()[:2] == ["hot", "cool"]]
    row = row.rstrip()
    assert 2.7 < float(row.split()[2].rstrip("x")) < 3.1
    assert row.endswith("together")
    assert "from other pairs" in shown


def test_how_several_partners_combine_is_told_where_runs_show_something_unusual(state):
    remember(state, *[run(10), run(12, "cool")] * 20)
    assert "exponent" not in nvinx("history", "--model").output
    # Beside two it takes 1.49 times as long usually, and 1.4 times where the costs add up.
    remember(state, *[run(14, "cool", "cool")] * 20)
    assert "combine with the exponent 1." in nvinx("history", "--model").output


def test_one_rule_and_json(state):
    remember(state, *[run(10), run(30, "cool"), run(9, profile="mild")] * 4)
    rows = json.loads(nvinx("history", "--model", "--json", "cool").output)
    assert all("cool" in (row["of"], row["beside"]) for row in rows)
    (pair,) = [row for row in rows if (row["of"], row["beside"]) == ("hot", "cool")]
    assert pair["low"] < 3.0 < pair["high"]


def test_the_heat_map_is_drawn(state, tmp_path):
    remember(state, *[run(10), run(30, "cool")] * 4)
    done = nvinx("history", "--model", "--picture", "who.png")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "who.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_without_the_model_says_what_to_add(state):
    done = nvinx("history", "--picture", "who.png")
    assert done.exit_code == 2
    assert "--model" in done.output


def test_an_empty_history_says_that_nothing_is_learned(state):
    assert "nothing is learned" in nvinx("history", "--model").output


def test_runs_that_contradict_a_calibration_are_told_of_by_doctor_and_by_the_model(state, tmp_path):
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    remember(state, *[run(10), run(30, "cool")] * 30)
    shown = nvinx("doctor").output
    assert "runs contradict it: hot takes" in shown
    assert "beside cool, not 1.05" in shown
    assert "which runs contradict" in nvinx("history", "--model").output


def test_a_calibration_that_no_run_contradicts_is_fine(state, tmp_path):
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    remember(state, *[run(10), run(10.5, "cool")] * 3)
    assert "no run contradicts it" in nvinx("doctor").output


def test_where_nothing_was_learned_nothing_is_contradicted():
    assert contradictions(None) == ""
