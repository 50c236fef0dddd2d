"""Mistakes that newcomers make: each is answered with the place and with what to write."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

# In a rule: its resources, and what `nvinx check` says of it.
RULES = {
    "misspelt": ("cpu_falback=1, vram_mb=900", "Fix: write cpu_fallback=1."),
    "wrong_size": ("vram_mb='900MB'", "must be a number of MB. Fix: write it like vram_mb=900."),
    "no_unit": ("vram='4'", "Fix: write it like vram='900MB' or vram='2GiB'."),
    "in_gb": ("vram_mb=4", "Fix: write vram_mb=4000, if it is in GB."),
    "in_bytes": ("vram_mb=4000000000", "write 4000, if that was meant."),
    "too_large": ("vram_mb=9000", "the largest card can give 4.00 GB. Fix: lower vram_mb, or add"),
    "no_model": ("model='esm3'", "the bench file has no such model (it has: esm2). Fix: write "
                 "model='esm2'."),
    "wrong_card": ("gpu='h100'", "no card here has such a name (there is RTX A1000). Fix: write gpu=1"),
    "two_cards": ("gpu=2", "asks for 2 cards at once, and this bench has only 1 card"),
    "no_residency": ("vram_mb=900, residency='shared'", "no such residency. Fix: write 'gpu_shared'."),
    "contradicts": ("vram_mb=900, gpu_share='1/3'", "contradicts vram_mb=900. Fix: keep one:"),
    "no_ram": ("vram_mb=6000, ram_overflow=1", "must say how much it then needs. Fix: add mem_mb"),
}  # fmt: skip
# On the command line: words, and the answer.
COMMANDS = {
    "a misspelt verb": (["chekc"], "Did you mean nvinx check?"),
    "no Snakefile": (["plan", "Snakefiel"], "Snakefiel: no such file. Fix: name the Snakefile"),
    "no jobs": (["jobs"], "no run is recorded in {work}. Fix: run snakemake --executor nvinx"),
    "a wrong word in the bench file": (
        ["bench", "--bench", "wrong.yaml"],
        "wrong.yaml, line 2: hardware has no key 'vram_bg'. Fix: write vram_gb.",
    ),
    "a size in MB in the bench file": (
        ["bench", "--bench", "large.yaml"],
        "line 1: vram_gb: 4000 is 4000 GB, more than any card has. Fix: write 4, if it is in MB.",
    ),
    "a size without a unit": (
        ["run", "--vram", "900", "true"],
        "--vram 900: this is not a size with a unit that nvinx knows. Fix: write it like --vram",
    ),
}


def _nvinx(work: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from nvinx.cli import main; main()", *words]
    return subprocess.run(
        program, cwd=work, env={**environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    models = "\nmodels: [{name: esm2, vram_gb: 0.9, residency: gpu_shared}]\n"
    made.write("nvinx.yaml", made.read("nvinx.yaml") + models)
    made.write("wrong.yaml", "hardware:\n  vram_bg: 4\n")
    made.write("large.yaml", "hardware: {vram_gb: 4000, simulated: true}\n")
    return made


def test_a_mistake_in_a_rule_is_answered_before_anything_runs(workspace: Workspace) -> None:
    rule = "rule {}:\n    output: '{}.txt'\n    resources: {}\n    shell: 'touch {{output}}'\n"
    wanted = f"rule all:\n    input: {[f'{name}.txt' for name in RULES]}\n"
    text = "".join(rule.format(name, name, says) for name, (says, _) in RULES.items())
    workspace.write("workflow/Snakefile", wanted + text)
    done = _nvinx(workspace.work, workspace._environment(), "check", "--json")

    said = {rule["name"].removeprefix("rule "): rule for rule in json.loads(done.stdout)}
    for name, (_, answer) in RULES.items():
        told = "\n".join(said[name]["errors"] + said[name]["doubtful"])
        assert answer in told, (name, told)
    assert done.returncode == 1


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_mistake_on_the_command_line_is_answered(workspace: Workspace, mistake: str) -> None:
    words, answer = COMMANDS[mistake]
    done = _nvinx(workspace.work, workspace._environment(), *words)
    assert answer.format(work=workspace.work) in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
