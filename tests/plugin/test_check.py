"""`nvinx check` tells rule by rule what nvinx makes of a workflow, and runs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

RULE = """
rule {name}:
    input: {input!r}
    output: "{name}.txt"
    {says}
    shell: "{does}touch {{output}}"
"""
RULES = {
    "understood": ("resources: gres='gpu:1'", ""),
    "shared": ("resources: vram_mb=900, cpu_fallback=1", ""),
    "plain": ("", ""),
    "queue": ("resources: slurm_partition='gpu'", ""),
    "misspelt": ("resources: vrammb=6", ""),
    "doubtful": ("resources: vram_mb=40", ""),
    "too_large": ("resources: vram_mb=9000", ""),
    "spills": ("resources: vram_mb=6000, ram_overflow=1, mem_mb=4000", ""),
    "says_cuda": ("", "true --device cuda; "),
    "sets": ("resources: gpu=1", "export CUDA_VISIBLE_DEVICES=0; "),
    "late": ("resources: vram_mb=lambda wildcards, input: int(open(input[0]).read())", ""),
}


def _check(workspace: Workspace, *args: str) -> subprocess.CompletedProcess[str]:
    return _nvinx(workspace, "check", *args)


def _nvinx(workspace: Workspace, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nvinx.cli import main; main()", *args],
        cwd=workspace.work,
        env=workspace._environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def _rules(name: str, says: str, does: str) -> str:
    needs = ["size"] if name == "late" else []
    return RULE.format(name=name, says=says, does=does, input=needs)


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    wanted = f"rule all:\n    input: {[f'{name}.txt' for name in RULES]}\n"
    size = "\nrule size:\n    output: 'size'\n    shell: 'echo 900 > {output}'\n"
    text = "".join(_rules(name, *rest) for name, rest in RULES.items())
    made.write("workflow/Snakefile", wanted + size + text)
    return made


def test_each_rule_is_told_with_what_to_write(workspace: Workspace) -> None:
    done = _check(workspace)

    assert done.returncode == 1, done.stderr
    for line in (
        "rule understood (1 job): has a card to itself\n  gres='gpu:1' is read as gpu=1\n",
        "rule doubtful (1 job): shares a card, 40 MB\n  vram_mb=40 is less than the 100 MB that an "
        "empty CUDA context takes. Fix: write vram_mb=40000, if it is in GB.\n",
        "rule shared (1 job): shares a card, 0.90 GB, or runs on the CPU\n",
        "rule plain (1 job): on the CPU\n",
        "rule queue (1 job): on the CPU\n  slurm_partition='gpu' means nothing to nvinx. Fix: ",
        "error: rule misspelt: vrammb=6: nvinx knows no such hint. Fix: write vram_mb=6",
        "error: rule too_large: too_large needs 9.00 GB of VRAM; the largest card can give 4.00",
        "rule spills (1 job): spills to RAM, 6.00 GB in all\n",
        "its command says '--device cuda', but the rule asks for no card, so it sees none. Fix: ",
        "its command sets CUDA_VISIBLE_DEVICES, overriding nvinx. Fix: ",
        "rule late (1 job): not known yet\n  vram_mb depends on the output of an earlier job\n",
    ):
        assert line in done.stdout, (line, done.stdout)
    assert "rule all" not in done.stdout
    assert workspace.files().keys() == {"workflow/Snakefile"}


def test_the_same_comes_as_json_and_a_sound_workflow_is_no_error(workspace: Workspace) -> None:
    done = _check(workspace, "--json", "workflow/Snakefile", "plain.txt", "understood.txt")
    rules = {rule["name"]: rule for rule in json.loads(done.stdout)}

    assert done.returncode == 0, done.stderr
    assert rules.keys() == {"rule plain", "rule understood"}
    assert rules["rule understood"]["understood"] == ["gres='gpu:1' is read as gpu=1"]
    assert "Nothing is wrong" in _check(workspace, "workflow/Snakefile", "plain.txt").stdout


def test_what_is_done_already_is_checked_too(workspace: Workspace) -> None:
    workspace.write("plain.txt", "")
    done = _check(workspace, "workflow/Snakefile", "plain.txt")

    assert (done.returncode, "rule plain" in done.stdout) == (0, True), done.stderr


def test_a_group_that_is_too_large_is_told(make_workspace: MakeWorkspace) -> None:
    done = _check(make_workspace("grouped_sizes"), "--", "--config", "part=2500")

    assert done.returncode == 1, done.stdout
    assert "group fan: group[fan] needs 5.00 GB of VRAM" in done.stdout


def test_a_function_that_raises_is_an_error_unless_its_job_waits_for_another(
    workspace: Workspace,
) -> None:
    fails = "resources: vram_mb=lambda wildcards: 1 / 0"
    now = RULE.format(name="now", input=[], says=fails, does="")
    later = RULE.format(name="later", input="now.txt", says=fails, does="")
    workspace.write("workflow/Snakefile", now + later)
    done = _check(workspace, "workflow/Snakefile", "later.txt")

    assert done.returncode == 1, done.stdout
    assert "rule now: Snakemake cannot compute its resources: ZeroDivisionError" in done.stdout
    assert "rule later (1 job): not known yet" in done.stdout


def test_so_it_is_for_the_plan(workspace: Workspace) -> None:
    fails = "resources: vram_mb=lambda wildcards: 1 / 0"
    rule = RULE.format(name="now", input=[], says=fails, does="")
    workspace.write("workflow/Snakefile", rule)
    done = _nvinx(workspace, "plan", "workflow/Snakefile")

    assert (done.returncode, "InputFunctionException in rule now" in done.stderr) == (1, True)


def test_ram_that_waits_for_a_file_does_not_hide_where_a_rule_runs(workspace: Workspace) -> None:
    spills = "resources: vram_mb=6000, ram_overflow=1, mem_mb=lambda wildcards, input: input.size"
    rules = [
        RULE.format(name="first", input=[], says="", does=""),
        RULE.format(name="shared", input="first.txt", says="resources: vram_mb=900", does=""),
        RULE.format(name="says", input="first.txt", says="", does="true --device cuda; "),
        RULE.format(name="spills", input="first.txt", says=spills, does=""),
    ]
    workspace.write("workflow/Snakefile", "".join(rules))
    targets = ("shared.txt", "says.txt", "spills.txt")
    done = _check(
        workspace, "workflow/Snakefile", *targets, "--", "--default-resources", "runtime=30"
    )

    assert "rule shared (1 job): shares a card, 0.90 GB" in done.stdout
    assert "rule says (1 job): on the CPU\n  its command says '--device cuda'" in done.stdout
    assert "rule spills (1 job): not known yet\n  mem_mb depends on" in done.stdout


def test_another_word_for_a_gpu_that_adds_nothing_to_the_hints_does_not_count(
    workspace: Workspace,
) -> None:
    stated = {
        "own": "resources: gpu=1, gpus=2",
        "two": "resources: gpus=1, gres='gpu:1'",
        "size": "resources: vram_mb=900",
        "off": "resources: gpu=0, gpu_mem_mb=900",
    }
    rules = (RULE.format(name=name, input=[], says=says, does="") for name, says in stated.items())
    workspace.write("workflow/Snakefile", "".join(rules))
    targets = [f"{name}.txt" for name in stated]
    options = ("--default-resources", "num_gpus=1")
    done = _check(workspace, "workflow/Snakefile", *targets, "--json", "--", *options)
    told = {rule["name"][5:]: set(rule["understood"]) for rule in json.loads(done.stdout)}

    vain = "does not count beside what else the rule says"
    assert told == {
        "own": {f"gpus=2 {vain}", f"num_gpus=1 {vain}"},
        "two": {"gpus=1 is read as gpu=1", "gres='gpu:1' is read as gpu=1", f"num_gpus=1 {vain}"},
        "size": {f"num_gpus=1 {vain}"},
        "off": {f"gpu_mem_mb=900 {vain}", f"num_gpus=1 {vain}"},
    }
