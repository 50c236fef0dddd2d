"""What the history of a kind of job says, and what it advises to declare."""

import json
import re

import pytest
from builders import company
from click.testing import CliRunner

from nvinx.catalog import Residency
from nvinx.cli import main
from nvinx.cli.history import advice
from nvinx.history.runs import PastRun
from nvinx.history.statistics import RunStatistics
from nvinx.history.store import SqliteHistory
from nvinx.history.summary import summaries
from nvinx.jobs.outcome import Outcome


def run(ran_s=3.0, kind="embed@1", card="card", peak=None, **kw):
    where = Residency.GPU_SHARED if card else Residency.CPU_ONLY
    declared = kw.pop("declared_mib", 859 if card else None)
    return PastRun(
        name="embed[1]",
        kind=kind,
        profile=kind,
        residency=where,
        ran_s=ran_s,
        card=card,
        peak_mib=peak,
        declared_mib=declared,
        **kw,
    )


def only(*runs):
    (summary,) = summaries(runs, {"card": 4000})
    return summary


def test_times_are_told_apart_by_partners_and_place():
    summary = only(run(3), run(5), run(9, company=(company(9, "fold@2"),)), run(40, card=None))
    assert (summary.alone_s, summary.beside_s, summary.cpu_s) == (4, 9, 40)
    assert (summary.runs, summary.rule) == (4, "embed")
    assert summary.slower["fold@2"] > 0.5


def beside(kind, partner, ran_s, share):
    return run(ran_s, kind=kind, company=(company(share * ran_s, partner),))


def test_a_time_alone_that_no_run_shows_is_worked_out_once_enough_is_known():
    fold = [run(seconds, kind="fold@2") for seconds in (60, 61, 62)]
    shares = (0.2, 0.3, 0.6, 0.9)
    embed = [beside("embed@1", "fold@2", 10 / (1 - share / 2), share) for share in shares]
    known = {each.rule: each for each in summaries([*fold, *embed * 3], {"card": 4000})}
    assert known["embed"].alone_s is None
    assert known["embed"].worked_out_s == pytest.approx(10, rel=0.15)
    assert known["fold"].worked_out_s is None

    (one,) = (each for each in summaries([*fold, embed[-1]], {"card": 4000}) if each.runs == 1)
    assert (one.alone_s, one.worked_out_s) == (None, None)


def test_a_slowdown_of_which_hardly_anything_is_known_is_not_told():
    together = run(1.1, company=(company(1.1, "embed@1"),))
    assert only(together, together).slower == {}


@pytest.mark.parametrize(
    ("peaks", "suggested"),
    [
        ((500, 560), 650),  # far below what is declared
        ((700,), None),  # near enough
        ((859,), None),
        ((900,), 1040),  # more than is declared
        ((1400,), 1620),
        ((), None),
    ],
)
def test_what_to_declare_follows_the_highest_peak(peaks, suggested):
    assert only(run(), *(run(peak=peak) for peak in peaks)).suggested_mb == suggested


def test_a_peak_of_most_of_the_card_is_what_the_framework_took():
    summary = only(run(peak=3000))
    assert (summary.preallocates, summary.suggested_mb) == (True, None)


def test_failures_are_counted_and_teach_no_times():
    summary = only(run(3), run(1, outcome=Outcome.OUT_OF_MEMORY), run(1, outcome=Outcome.FAILED))
    assert (summary.out_of_memory, summary.failed, summary.alone_s) == (1, 1, 3)


@pytest.fixture
def nvinx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "nvinx.yaml").write_text("hardware: {vram_gb: 4, simulated: true}\n")
    (tmp_path / "state").mkdir()
    return lambda *words: CliRunner().invoke(main, ["history", *words])


@pytest.fixture
def remembered(tmp_path, nvinx):
    runs = [run(3, peak=500), run(9, company=(company(9, "fold@2"),)), run(60, kind="fold@2")]
    SqliteHistory(tmp_path / "state" / "history.db").add(runs, "/w/Snakefile")


@pytest.mark.usefixtures("remembered")
def test_the_command_shows_declared_against_seen_and_what_to_change(nvinx):
    shown = nvinx().output
    assert "declared      seen" in shown
    assert "embed: declare vram_mb=580, it used 0.52 GB of the 0.90 GB declared." in shown
    assert "embed: takes 2.89 times as long beside fold." in shown
    assert "~" not in shown


def test_a_time_that_is_worked_out_is_shown_as_such(nvinx, tmp_path):
    history = SqliteHistory(tmp_path / "state" / "history.db")
    runs = [beside("embed@1", "fold@2", 10, share / 100) for share in range(20, 30)]
    history.add([*runs, run(60, kind="fold@2")], "/w/Snakefile")
    shown = nvinx().output
    assert re.search(r"embed +10 +~[\d.]+ s +10.0 s ", shown), shown
    assert "~ worked out from runs beside others, as none ran alone." in shown


@pytest.mark.usefixtures("remembered")
def test_one_rule_can_be_asked_for_and_forgotten(nvinx):
    assert [summary["kind"] for summary in json.loads(nvinx("fold", "--json").output)] == ["fold@2"]
    assert nvinx("fold", "--forget").output == "Forgot 1 runs.\n"
    assert nvinx("fold").output == "No run is remembered of fold.\n"
    assert "embed" in nvinx().output


def test_without_any_history_it_says_so(nvinx):
    assert nvinx().output == "No run is remembered.\n"


def grown(size, peak, **kw):
    return run(size=float(size), peak=peak, **kw)


def test_a_declaration_for_the_largest_input_is_told_where_small_ones_waste_it():
    runs = [grown(n, 100 * n, declared_mib=2400) for n in range(1, 21)]
    summary = only(*runs)
    assert summary.smaller_half_mib == RunStatistics(runs).vram_mib(summary.kind, 10.5)
    assert 1050 < summary.smaller_half_mib < 1200
    assert summary.more_would_fit == 1
    assert (
        "would be held for the smaller half of its inputs: 1 more would fit"
        in (advice(summary)[-1])
    )


def test_where_learning_would_hold_as_much_nothing_is_promised():
    """Needs that vary a lot are learned with a wide margin."""
    runs = [grown(n, 100 if n % 2 else 900, declared_mib=2000) for n in range(1, 13)]
    assert only(*runs).smaller_half_mib is None


def test_inputs_that_need_about_the_same_waste_nothing():
    assert only(*(grown(n, 800) for n in range(1, 21))).smaller_half_mib is None
    assert only(*(grown(n, 100 * n) for n in range(1, 4))).smaller_half_mib is None


def test_what_was_learned_is_no_declaration_to_change():
    summary = only(*(grown(n, 100 * n, declared_mib=None) for n in range(1, 21)))
    assert (summary.suggested_mb, summary.smaller_half_mib) == (None, None)
