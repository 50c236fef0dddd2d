"""A mistake is reported once, before any job starts, with the place, the value and the fix."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outcome, Workspace

pytestmark = pytest.mark.usefixtures("executor")

SOUND = {"vram_mb": 900}


@pytest.fixture
def workspace(make_workspace: Callable[..., Workspace]) -> Workspace:
    """A workflow with a sound job, a suspect one, and an old output of the suspect one."""
    made = make_workspace("misjudged")
    os.utime(made.write("out/suspect.txt", "earlier\n"), (1e9, 1e9))
    return made


def _run_with(workspace: Workspace, hints: dict[str, Any], *args: str) -> Outcome:
    workspace.write("hints.json", json.dumps(hints))
    return workspace.run(*args)


def _is_one_clear_refusal(outcome: Outcome, *words: str) -> None:
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text, outcome.text
    assert "File " not in outcome.text, outcome.text
    messages = [line for line in outcome.text.splitlines() if "Fix: " in line]
    assert len(messages) == 1, outcome.text
    for word in words:
        assert word.lower() in messages[0].lower(), f"{word} is not in: {messages[0]}"
    assert "Error in rule" not in outcome.text, outcome.text
    assert "out/sound.txt" not in outcome.files, "a job was started"
    assert outcome.files["out/suspect.txt"] == "earlier\n"


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        pytest.param(
            {"gpu": 1, "residency": "gpu_sharde"}, ["gpu_sharde", "gpu_shared"], id="typo"
        ),
        pytest.param({"vram": "4 bananas"}, ["4 bananas", "vram"], id="unit"),
        pytest.param({"vram_mb": 9000}, ["9", "4", "GB"], id="too large for the card"),
        pytest.param(
            {"vram_mb": 900, "residency": "cpu_only"}, ["cpu_only", "vram"], id="contradiction"
        ),
        pytest.param({"vram_mb": -5}, ["-5", "vram_mb"], id="negative"),
        pytest.param({"gpu": 0.5}, ["gpu=0.5", "to 0", "gpu='0.5'"], id="half a card as a number"),
        pytest.param({"vram_kb": 2}, ["vram_kb", "vram_mb"], id="unknown hint"),
        pytest.param({"gpu": 1, "local": True}, ["local"], id="on a local rule"),
        pytest.param({"gpu": 1, "nvinx_stage": ""}, ["nvinx_stage", "off"], id="no file to stage"),
        pytest.param({"gpu": 1, "nvinx_stage": 1}, ["nvinx_stage=1", "string"], id="a number"),
        pytest.param({"gpu": 1, "nvinx_stage": "a 'b"}, ["nvinx_stage", "quote"], id="open quote"),
        pytest.param({"nvinx_stage": "a.bin"}, ["nvinx_stage", "no GPU"], id="staged for the CPU"),
        pytest.param({"gpu": 1, "nvinx_stag": "a"}, ["write nvinx_stage="], id="misspelt"),
    ],
)
def test_a_wrong_hint_is_refused_with_rule_value_and_fix(
    hints: dict[str, Any], words: list[str], workspace: Workspace
) -> None:
    _is_one_clear_refusal(_run_with(workspace, hints), "suspect", *words)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        pytest.param({"cpu_falback": True}, ["write cpu_fallback"], id="misspelt"),
        pytest.param({"vram_mb": 9000}, ["9.00 GB", "4.00 GB"], id="too large for the card"),
        pytest.param({"gpu": 1, "max_slowdown": 1.2}, ["to 1"], id="rounded"),
    ],
)
def test_a_wrong_hint_is_refused_while_the_ram_of_its_job_waits_for_a_file(
    hints: dict[str, Any], words: list[str], workspace: Workspace
) -> None:
    _is_one_clear_refusal(_run_with(workspace, hints | {"waits": True}), "suspect", *words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--default-resources", "vram_gb=0.5"), ["--default-resources", "to 0"]),
        (("--default-resources", "gpu=1/2"), ["--default-resources", "gpu=0.5"]),
        (("--set-resources", "suspect:max_slowdown=1.2"), ["suspect", "to 1"]),
    ],
)
def test_a_number_of_the_command_line_that_snakemake_rounds_is_refused(
    given: tuple[str, str], words: list[str], workspace: Workspace
) -> None:
    outcome = _run_with(workspace, {}, *given)
    _is_one_clear_refusal(outcome, "in quotes of its own", *words)


def test_a_wrong_default_is_named_once_and_where_it_is_written(workspace: Workspace) -> None:
    outcome = _run_with(workspace, {}, "--default-resources", "vrammb=900")
    _is_one_clear_refusal(outcome, "option --default-resources: vrammb=900, as for rule s")
    assert "write vram_mb=900." in outcome.text


@pytest.mark.parametrize(
    ("made_local", "fix"),
    [
        ("localrule: True", "Fix: leave out localrule: True, or take the hint out of the rule"),
        ("handover: True", "Fix: leave out handover: True, or take the hint out of the rule"),
        ("template_engine: 'jinja2'", "Fix: take the hint out of the rule"),
    ],
)
def test_a_local_rule_is_told_what_makes_it_local(
    made_local: str, fix: str, workspace: Workspace
) -> None:
    says = "\n    ".join(["output: 'a'", "input: 'hints.json'", "resources: gpu=1", made_local])
    runs = "" if "engine" in made_local else "\n    shell: 'touch {output}'"
    workspace.write("Snakefile", f"rule a:\n    {says}{runs}\n")
    outcome = _run_with(workspace, {})

    assert outcome.status == 1
    assert fix in outcome.text, outcome.text


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU")
def test_a_gpu_job_on_a_machine_without_gpu_is_refused(workspace: Workspace) -> None:
    workspace.path("nvinx.yaml").unlink()
    _is_one_clear_refusal(_run_with(workspace, {"gpu": 1}), "suspect", "gpu")


def test_an_empty_bench_file_is_refused(workspace: Workspace) -> None:
    workspace.write("nvinx.yaml", "")
    _is_one_clear_refusal(_run_with(workspace, SOUND), "nvinx.yaml", "empty")


def test_a_folder_as_bench_file_is_refused(workspace: Workspace) -> None:
    workspace.path("nvinx.yaml").unlink()
    workspace.path("nvinx.yaml").mkdir()
    _is_one_clear_refusal(_run_with(workspace, SOUND), "nvinx.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_unreadable_bench_file_is_refused(workspace: Workspace) -> None:
    workspace.path("nvinx.yaml").chmod(0)
    _is_one_clear_refusal(_run_with(workspace, SOUND), "nvinx.yaml", "permission")


def test_an_unknown_key_in_the_bench_file_is_refused(workspace: Workspace) -> None:
    workspace.write(
        "nvinx.yaml", "hardware:\n  gpus: [{name: sim, vram_gib: 4, simulated: true}]\n"
    )
    _is_one_clear_refusal(_run_with(workspace, SOUND), "nvinx.yaml", "vram_gib", "vram_gb")


@pytest.mark.parametrize("where", ["/proc/nvinx", "below a file"])
def test_a_state_folder_that_cannot_be_made_is_refused(where: str, workspace: Workspace) -> None:
    if where == "below a file":
        where = str(workspace.root / "plain" / "folder")
        workspace.root.joinpath("plain").write_text("a file\n")
    outcome = _run_with(workspace, SOUND, "--nvinx-state-dir", where)
    _is_one_clear_refusal(outcome, where, "state")


def test_a_ledger_of_another_schema_is_refused_and_left_as_it_is(workspace: Workspace) -> None:
    ledger = workspace.state_dir / "ledger.db"
    ledger.parent.mkdir()
    connection = sqlite3.connect(ledger)
    connection.execute("PRAGMA user_version = 999")
    connection.execute("CREATE TABLE theirs (what)")
    connection.close()
    before = ledger.read_bytes()
    outcome = _run_with(workspace, SOUND)
    _is_one_clear_refusal(outcome, "999", str(ledger), "--nvinx-state-dir")
    assert ledger.read_bytes() == before


def test_the_same_workflow_without_a_mistake_runs(workspace: Workspace) -> None:
    outcome = _run_with(workspace, SOUND)
    assert outcome.status == 0, outcome.text
    assert outcome.files["out/suspect.txt"] == "new\n"


@pytest.mark.parametrize("size", ["auto", "900-1800"])
def test_a_default_size_that_a_group_cannot_have_names_the_option(
    workspace: Workspace, size: str
) -> None:
    outcome = _run_with(
        workspace, {}, "--groups", "suspect=g", "--default-resources", f"vram_mb='{size}'"
    )
    _is_one_clear_refusal(outcome, "--default-resources", f"vram_mb='{size}'", "suspect", "group")
