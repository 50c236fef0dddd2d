"""What a run teaches the next one, through the history file of the state folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nvinx.history.store import SqliteHistory
from nvinx.history.summary import summaries

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

CARD = Path(__file__).parents[2] / "benchmarks" / "contended_card" / "card.py"

pytestmark = pytest.mark.usefixtures("executor")


def _history(workspace: Workspace) -> SqliteHistory:
    return SqliteHistory(workspace.state_dir / "history.db")


def test_each_job_is_remembered_with_its_co_residents(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    assert workspace.run().status == 0
    entries = {entry.run.name: entry for entry in _history(workspace).entries()}

    assert set(entries) == {"whole", "part[1]", "part[2]", "part[3]"}
    assert entries["whole"].run.company == ()
    assert entries["whole"].source == str(workspace.path("Snakefile"))
    parts = [entries[f"part[{n}]"].run for n in (1, 2, 3)]
    assert {run.declared_mib for run in parts} == {1430}
    assert {run.kind for run in parts} == {kind for run in parts for kind in run.partners}


def test_jobs_that_share_well_run_alone_once_at_most_and_go_on_sharing(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("shared_card")
    reasons = []
    for _ in range(3):
        outcome = workspace.run("--forceall", "out/part1.txt", "out/part2.txt")
        assert outcome.status == 0, outcome.text
        reasons.append(workspace.record().count("measured_alone"))

    assert (sum(reasons) <= 1, reasons[-1]) == (True, 0)


def test_three_rules_that_hurt_each_other_all_have_figures_after_three_runs(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("hurting")
    workspace.environ |= {"FAKE_CARD": str(workspace.root / "card.json"), "FAKE_CARD_HOT": "2.0"}
    config = ("--config", f"card={CARD}", f"python={sys.executable}")
    for _ in range(3):
        outcome = workspace.run("--forceall", *config)
        assert outcome.status == 0, outcome.text

    found = summaries((entry.run for entry in _history(workspace).entries()), {})
    times_s = {each.rule: each.alone_s or each.worked_out_s for each in found}
    assert times_s.keys() == {"embed", "fold", "call"}
    assert all(0.4 < time_s < 2.0 for time_s in times_s.values()), times_s


def test_a_failed_job_is_remembered_as_failed(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("failures")
    assert workspace.run("--keep-going").status == 1

    outcomes = {entry.run.outcome.value for entry in _history(workspace).entries()}
    assert outcomes == {"ok", "failed"}


def test_a_history_that_cannot_be_used_is_told_and_harms_nothing(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("shared_card")
    workspace.state_dir.mkdir(parents=True)
    workspace.state_dir.joinpath("history.db").write_text("no history" * 100)
    outcome = workspace.run()

    assert outcome.status == 0, outcome.text
    assert outcome.text.count("history.db cannot be used") == 1
    assert "Traceback" not in outcome.text
