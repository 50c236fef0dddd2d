"""A job that runs out of GPU memory is tried again, one step at a time; nothing else ever is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nvinx.history.store import SqliteHistory

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outcome, Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(make_workspace: MakeWorkspace) -> Callable[..., tuple[Outcome, list[str]]]:
    """Run one rule; what came of it, and where each try was placed."""
    workspace = make_workspace("too_small")

    def go(rule: str, *args: str) -> tuple[Outcome, list[str]]:
        workspace.path("tries.txt").unlink(missing_ok=True)
        outcome = workspace.run(f"out/{rule}.txt", *args)
        return outcome, workspace.read("tries.txt").splitlines()

    go.workspace = workspace
    return go


def test_it_is_tried_with_more_room_first(run) -> None:
    outcome, tries = run("grows")

    assert outcome.status == 0, outcome.text
    assert tries == ["gpu_shared 900", "gpu_shared 1350"]
    assert outcome.files["out/grows.txt"] == "gpu_shared\n"
    assert (
        "grows ran out of GPU memory in 0.90 GB of the card; it is retried with 1.35 GB"
        in outcome.text
    )


def test_then_with_the_whole_card(run) -> None:
    outcome, tries = run("whole")

    assert outcome.status == 0, outcome.text
    assert tries == ["gpu_shared 1500", "gpu_shared 2250", "gpu_exclusive 3999"]


def test_then_it_spills_if_it_may(run) -> None:
    outcome, tries = run("spills")

    assert outcome.status == 0, outcome.text
    assert [line.split()[0] for line in tries][2:] == ["gpu_exclusive", "gpu_ram_overflow"]


def test_at_last_it_goes_to_the_cpu_if_it_may(run) -> None:
    outcome, tries = run("falls_back")

    assert outcome.status == 0, outcome.text
    assert [line.split()[0] for line in tries][2:] == ["gpu_exclusive", "cpu_only"]


def test_when_nothing_is_left_the_job_fails_with_the_whole_story(run) -> None:
    outcome, tries = run("hopeless")

    assert outcome.status == 1
    assert len(tries) == 3
    assert (
        "hopeless ran out of GPU memory in 1.50 GB of the card, then in 2.25 GB of the card, "
        "then with the card to itself; nothing is left to try. Fix: lower what rule hopeless loads"
        in outcome.text
    )
    assert outcome.text.count("Error in rule hopeless") == 1
    assert "out/hopeless.txt" not in outcome.files


def test_the_text_may_stand_in_the_rules_log_file(run) -> None:
    outcome, tries = run("logged")

    assert outcome.status == 0, outcome.text
    assert len(tries) == 2


def test_retries_of_the_rule_stay_the_rules_own(run) -> None:
    outcome, tries = run("retried")

    assert outcome.status == 1
    assert [line for line in tries if line.startswith("attempt")] == ["attempt 1", "attempt 2"]


@pytest.mark.parametrize("rule", ["other", "on_cpu"])
def test_other_failures_are_not_tried_again(run, rule) -> None:
    outcome, tries = run(rule)

    assert outcome.status == 1
    assert tries == ["once"]
    assert f"out/{rule}.txt" not in outcome.files


def test_a_rule_that_keeps_running_out_gets_the_card_alone_for_a_while(run) -> None:
    for _ in range(2):
        assert run("grows", "--forceall")[0].status == 0
    outcome, tries = run("grows", "--forceall")

    assert tries == ["gpu_exclusive 3999"]
    assert outcome.text.count("rule grows ran out of GPU memory 2 times recently") == 1


def test_tries_are_remembered_and_shown_as_jobs_of_the_run(run) -> None:
    run("grows")
    workspace = run.workspace

    entries = SqliteHistory(workspace.state_dir / "history.db").entries()
    assert [entry.run.outcome.value for entry in entries] == ["out_of_memory", "ok"]
    assert workspace.record().count('"name": "grows"') == 2


def test_an_output_left_out_for_lack_of_memory_counts_though_the_job_ended_well(run) -> None:
    outcome, tries = run("skips")

    assert outcome.status == 0, outcome.text
    assert tries == ["900", "1350"]
    assert outcome.files["out/skips.txt"] == "done\n"
    assert "WARNING: ran out of memory, skipping batch" in outcome.text


def test_an_output_that_is_always_left_out_is_missing_in_the_end(run) -> None:
    outcome, tries = run("skips_always")

    assert outcome.status == 1
    assert len(tries) == 3
    assert "nothing is left to try" in outcome.text
    assert "MissingOutputException" in outcome.text


def test_an_output_that_is_missing_for_another_reason_is_snakemakes_business(run) -> None:
    outcome, tries = run("leaves_out", "--latency-wait", "0")

    assert outcome.status == 1
    assert tries == ["once"]
    assert "ran out" not in outcome.text


@pytest.mark.parametrize("rule", ["recovers", "lacks_ram"])
def test_neither_a_recovered_failure_nor_a_lack_of_ram_asks_for_more_vram(run, rule) -> None:
    outcome, tries = run(rule)

    assert outcome.status == 1
    assert tries == ["once"]
    assert "ran out of GPU memory" not in outcome.text


def test_a_lack_of_ram_is_told(run) -> None:
    outcome, _ = run("lacks_ram")

    assert (
        "lacks_ram ran out of the machine's memory (RAM); more VRAM does not help" in outcome.text
    )


def test_of_a_job_that_was_killed_no_more_is_said_than_is_known(run) -> None:
    outcome, tries = run("is_killed")

    assert tries == ["once"]
    assert "nvinx: is_killed was killed (SIGKILL)" in outcome.text
    assert "ran out of" not in outcome.text


def test_the_bench_file_may_say_what_a_rules_programs_write(run) -> None:
    outcome, tries = run("own_words")

    assert outcome.status == 0, outcome.text
    assert tries == ["900", "1350"]
    assert "It said: the board is full (7)" in outcome.text


def test_functions_of_attempt_are_evaluated_anew_and_a_try_is_told_of_the_one_before(run) -> None:
    outcome, tries = run("scaled")

    assert outcome.status == 0, outcome.text
    assert tries[::2] == ["900 64 64 1", "1800 32 32 2 out_of_memory"]


def test_a_run_block_sees_its_attempt_as_well(run) -> None:
    outcome, tries = run("scaled_alike")

    assert outcome.status == 0, outcome.text
    assert tries[::2] == ["900 900 1", "1800 1800 2"]


def test_a_job_that_filled_the_whole_card_alone_is_not_given_more_of_it(run) -> None:
    outcome, tries = run("full_board")

    assert outcome.status == 0, outcome.text
    assert tries == ["gpu_shared", "cpu_only"]


def test_what_a_job_says_on_stderr_still_reaches_the_terminal(run) -> None:
    outcome, _ = run("grows")

    assert "Tried to allocate 1300 MiB" in outcome.text


def test_jobs_that_take_more_than_they_declare_all_come_through(
    make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    """Where two fit and four were started; stock Snakemake and its retries lose some of them."""
    workspace = make_workspace("under_declared")
    workspace.environ |= {
        "CARD_PROGRAM": str(ROOT / "benchmarks" / "contended_card" / "card.py"),
        "FAKE_CARD": str(tmp_path / "card.json"),
    }
    outcome = workspace.run()

    assert outcome.status == 0, outcome.text
    assert {name for name in outcome.files if name.startswith("out/")} == {
        f"out/{n}.txt" for n in range(4)
    }
    log = json.loads((tmp_path / "card.json").read_text())["log"]
    assert sum(what == "end" for _, what, _ in log) == 4
    assert sum(what == "oom" for _, what, _ in log) >= 1


def test_a_third_is_tried_again_with_half_and_then_with_the_card(run) -> None:
    outcome, tries = run("third")

    assert outcome.status == 0, outcome.text
    assert tries == ["gpu_shared 1332", "gpu_shared 1999", "gpu_exclusive 3999"]
    assert "in a third of the card; it is retried with half of the card." in outcome.text


def test_a_part_that_grows_with_attempt_is_what_the_rule_says(run) -> None:
    outcome, tries = run("larger_third")

    assert outcome.status == 0, outcome.text
    assert tries == ["gpu_shared 1332", "gpu_shared 2665"]
