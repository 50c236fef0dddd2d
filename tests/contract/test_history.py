"""The history file: what is written is read back, old runs go, a bad file harms nothing."""

import sqlite3
import subprocess
import sys
import threading

import pytest
from builders import company

from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.errors import HistoryError
from nvinx.history import store
from nvinx.history.past import Past
from nvinx.history.runs import PastRun
from nvinx.history.statistics import KEPT, RunStatistics
from nvinx.history.store import _FORGET, _SELECT, OF_NAME, SqliteHistory
from nvinx.interference import CoRun
from nvinx.jobs.outcome import Outcome


def run(ran_s=3.0, kind="embed@1", card="card", **kw):
    where = Residency.GPU_SHARED if card else Residency.CPU_ONLY
    return PastRun(
        name="embed[1]", kind=kind, profile="m", residency=where, ran_s=ran_s, card=card, **kw
    )


@pytest.fixture
def history(tmp_path):
    return SqliteHistory(tmp_path / "history.db")


def test_what_is_written_is_read_back_whole(history):
    odd = run(
        company=(company(2, "m"), company(1, "m", "m")),
        outcome=Outcome.OUT_OF_MEMORY,
        declared_mib=859,
        peak_mib=1400,
        size=3.5e9,
    )
    history.add([run(), odd], "/w/Snakefile")
    assert history.runs(["card"]) == (run(), odd)
    assert {entry.source for entry in history.entries()} == {"/w/Snakefile"}


def test_looking_makes_no_file(history, tmp_path):
    assert history.runs(["card"]) == ()
    assert history.clear() == 0
    assert not list(tmp_path.iterdir())


def test_runs_on_other_cards_are_left_out_those_on_the_cpu_never(history):
    history.add([run(card="other"), run(card=None)], "w")
    assert history.runs(["card"]) == (run(card=None),)


def test_of_each_kind_the_last_runs_are_kept(history):
    history.add([run(float(n)) for n in range(1, KEPT + 11)], "w")
    history.add([run(1.0, kind="rare@1")], "w")
    kept = history.runs(["card"])
    assert [r.ran_s for r in kept if r.kind == "embed@1"] == [
        float(n) for n in range(11, KEPT + 11)
    ]
    assert sum(r.kind == "rare@1" for r in kept) == 1


def test_runs_in_company_push_no_run_alone_out(history):
    history.add([run(1.0)], "w")
    history.add([run(float(n), company=(company(n, "m"),)) for n in range(2, 3 * KEPT)], "w")
    kept = history.runs(["card"])
    assert [r.ran_s for r in kept if r.was_alone] == [1.0]
    assert len(kept) == 1 + KEPT


def test_a_kind_can_be_forgotten(history):
    history.add([run(), run(kind="other@1")], "w")
    assert history.clear("embed@1") == 1
    assert [r.kind for r in history.runs(["card"])] == ["other@1"]


def test_several_writers_lose_nothing(history):
    def write():
        for n in range(5):
            history.add([run(float(n + 1), kind=threading.current_thread().name)], "w")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(history.runs(["card"])) == 20


def test_a_file_that_is_no_history_is_named_and_left_as_it_is(history, tmp_path):
    (tmp_path / "history.db").write_text("these are no runs" * 100)
    with pytest.raises(HistoryError, match=r"history\.db cannot be used.*move the file away"):
        history.add([run()], "w")
    assert (tmp_path / "history.db").read_text().startswith("these are no runs")


def test_a_file_of_another_nvinx_is_named_and_left_as_it_is(history, tmp_path):
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(HistoryError, match="has schema 99"):
        history.runs(["card"])


def test_runs_of_one_kind_or_profile_are_read_without_the_others(history, tmp_path):
    others = [run(kind=f"other@{n}") for n in range(50)]
    history.add([*others, run(2.0), run(card=None), run(card="another make")], "w")
    assert history.runs(["card"], "embed@1") == (run(2.0), run(card=None))
    assert len(history.runs(["card"], "m")) == 52
    assert history.runs(["card"], "unheard of") == ()


def test_what_is_asked_or_forgotten_by_name_is_found_by_an_index(history, tmp_path):
    history.add([run()], "w")
    with sqlite3.connect(tmp_path / "history.db") as db:
        for statement, values in (
            (f"{_SELECT} {OF_NAME}", ("a", "a")),
            (_FORGET, ("a", None, False)),
        ):
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert not [step for step in plan if step.startswith("SCAN")], plan
    db.close()


def test_what_is_known_of_a_kind_is_read_once_and_no_other_kind_is(tmp_path):
    past = Past.read(tmp_path, ["card"])
    past.keep([run(float(n), kind=f"kind@{n}") for n in range(1, 40)], "w")
    asked, past = [], Past.read(tmp_path, ["card"])
    read = past.runs
    past.statistics = RunStatistics(recall=lambda name: asked.append(name) or read(name))
    assert [past.statistics.gpu_s("kind@7") for _ in range(3)] == [7.0] * 3
    past.statistics.add(run(9.0, kind="kind@7"))
    assert past.statistics.gpu_s("kind@7") == 8.0
    assert asked == ["kind@7", "m"]


def contended(times=6):
    """Two of a kind take three times as long beside each other."""
    return [run(10.0), run(30.0, company=(company(30, "m"),))] * times


def test_what_sharing_costs_is_fitted_aside_and_a_start_only_reads_it(tmp_path, monkeypatch):
    past = Past.read(tmp_path, ["card"])
    past.keep(contended(), "w")
    assert Past.read(tmp_path, ["card"]).statistics.belief is None

    past = Past.read(tmp_path, ["card"])
    past.learn_meanwhile()
    past.learn_the_rest()
    believed = past.statistics.belief
    assert believed.excess("m", "m") == pytest.approx(2.0, rel=0.1)

    monkeypatch.setattr("nvinx.interference.joint_fit.fit", None)
    again = Past.read(tmp_path, ["card"])
    again.learn()
    assert again.statistics.belief == believed


def test_a_short_command_is_not_made_longer_by_what_there_is_to_learn(tmp_path):
    Past.read(tmp_path, ["card"]).keep(contended(), "w")
    (tmp_path / "nvinx.yaml").write_text(
        "hardware: {gpus: [{name: card, vram_gb: 4, simulated: true}]}\n"
    )
    command = ["run", "--quiet", "--vram", "10MB", "--state-dir", str(tmp_path), "--", "true"]
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from nvinx.cli import main; main()", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nvinx.history.past" in ran.stderr
    assert "numpy" not in ran.stderr


def test_the_same_history_gives_the_same_belief(tmp_path):
    beliefs = []
    for name in ("one", "other"):
        Past.read(tmp_path / name, ["card"]).keep(contended(), "w")
        past = Past.read(tmp_path / name, ["card"])
        past.learn()
        beliefs.append(past.statistics.belief)
    assert beliefs[0] == beliefs[1]


def test_what_other_cards_or_another_calibration_taught_is_not_believed(tmp_path):
    past = Past.read(tmp_path, ["card"])
    past.keep(contended(), "w")
    past.learn()
    assert Past.read(tmp_path, ["other"]).statistics.belief is None
    calibrated = fit_slowdown_model([CoRun("m", "m", 1.05, 1.05)])
    assert Past.read(tmp_path, ["card"], calibrated).statistics.belief is None


def test_what_is_forgotten_is_believed_no_more(tmp_path, history):
    past = Past.read(tmp_path, ["card"])
    past.keep(contended(), "w")
    past.learn()
    history.clear()
    assert Past.read(tmp_path, ["card"]).statistics.belief is None


def test_a_belief_in_another_form_is_fitted_anew(tmp_path):
    Past.read(tmp_path, ["card"]).keep(contended(), "w")
    past = Past.read(tmp_path, ["card"])
    past.learn()
    believed = past.statistics.belief
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("UPDATE belief SET belief = '{}'")
    db.close()
    past = Past.read(tmp_path, ["card"])
    assert past.statistics.belief is None
    past.learn()
    assert past.statistics.belief == believed


def test_a_row_that_nobody_can_read_is_told_of_when_it_is_met(tmp_path):
    past = Past.read(tmp_path, ["card"])
    past.keep([run()], "w")
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("UPDATE run SET company = 'these are no partners'")
    db.close()
    past = Past.read(tmp_path, ["card"])
    assert past.problem is None
    assert past.statistics.gpu_s("embed@1") is None
    assert "has a row that is not a run" in past.keep([], "w")


def test_of_all_kinds_together_only_so_many_runs_are_kept(history, monkeypatch):
    monkeypatch.setattr(store, "_FORGET_OLD", store._FORGET_OLD.replace(str(store.MOST), "30"))
    for n in range(50):
        history.add([run(kind=f"kind@{n}")], "w")
    assert [r.kind for r in history.runs(["card"])] == [f"kind@{n}" for n in range(20, 50)]
