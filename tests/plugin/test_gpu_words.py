"""Words that others use for a GPU put a job on the card, or are told about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

RULE = """
rule {name}:
    output: "{name}.txt"
    {says}
    shell: "echo ${{{{NVINX_PLACEMENT:-nowhere}}}} > {{output}}"
"""
SAYS = {
    "gpus": "resources: gpus=1",
    "gres": "resources: gres='gpu:1'",
    "in_params": "params: gres='gpu:1'",
    "made": "params: gres=lambda wildcards: 'gpu:1'",
    "extra": "resources: slurm_extra=\"'--gres=gpu:a100:1'\"",
    "name": "resources: gpu='a1000'",
    "computed": "resources: gpus=lambda wildcards, attempt: attempt",
    "size": "resources: gpu_mem_mb=900",
    "text": "resources: vram=type('Text', (str,), {})('900MB')",
    "off": "resources: gpu=0, vram_mb=900",
    "queue": "resources: slurm_partition='gpu'",
    "program": "params: device='cuda'",
    "unnamed": "params: '--gpus 1'",
    "short": "resources: gmem=900",
    "switch": "params: gpus=lambda wildcards: 0",
}


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    rules = (RULE.format(name=name, says=says) for name, says in SAYS.items())
    wanted = f"rule all:\n    input: {[f'{name}.txt' for name in SAYS]}\n"
    made.write("Snakefile", wanted + "".join(rules))
    return made


def test_each_word_is_understood_or_warned_about(workspace: Workspace) -> None:
    outcome = workspace.run()

    assert outcome.status == 0, outcome.text
    seen = {name: outcome.files[f"{name}.txt"].strip() for name in SAYS}
    alone = ("gpus", "gres", "in_params", "made", "extra", "name", "computed")
    assert seen == dict.fromkeys(alone, "gpu_exclusive") | {
        "size": "gpu_shared",
        "text": "gpu_shared",
        "off": "cpu_only",
        "queue": "cpu_only",
        "program": "cpu_only",
        "unnamed": "cpu_only",
        "short": "cpu_only",
        "switch": "cpu_only",
    }
    warnings = [line for line in outcome.text.splitlines() if "means nothing to nvinx" in line]
    assert len(warnings) == 4, warnings
    assert any("rule unnamed: params='--gpus 1'" in line for line in warnings)
    assert any("rule queue: slurm_partition='gpu'" in line for line in warnings)
    assert any("rule program: device='cuda'" in line for line in warnings)
    assert any("rule short: gmem=900" in line for line in warnings)
    assert sum("Fix: write gpu=1" in line for line in warnings) == len(warnings) - 1


def test_a_default_gives_way_to_a_rule_and_means_nothing_to_a_local_one(
    workspace: Workspace,
) -> None:
    workspace.write(
        "Snakefile",
        "localrules: here\n\n\nrule all:\n    input: 'own.txt', 'default.txt', 'here.txt'\n"
        + RULE.format(name="own", says="resources: vram_mb=900")
        + RULE.format(name="default", says="")
        + RULE.format(name="here", says=""),
    )
    off = workspace.run("--default-resources", "gpu=0")
    assert off.status == 0, off.text
    assert off.files["own.txt"] == "gpu_shared\n"
    assert off.files["default.txt"] == "cpu_only\n"

    on = workspace.run("--forceall", "--default-resources", "gpu=1")
    assert on.status == 0, on.text
    assert (on.files["own.txt"], on.files["default.txt"]) == ("gpu_shared\n", "gpu_exclusive\n")
    assert on.files["here.txt"] == "cpu_only\n"


def test_a_card_that_is_not_there_is_refused_with_those_that_are(workspace: Workspace) -> None:
    workspace.write("Snakefile", RULE.format(name="far", says="resources: gpu='h100'"))
    outcome = workspace.run()

    assert outcome.status == 1
    assert "rule far: gpu='h100': no card here has such a name (there is RTX A1000)" in outcome.text


TWO_CARDS = """
hardware: {cpu_cores: 4, ram_gb: 8}
gpus:
  - {name: first, vram_gb: 4, simulated: true}
  - {name: second, vram_gb: 4, simulated: true}
"""


def test_only_the_cards_that_the_environment_names_are_used(workspace: Workspace) -> None:
    workspace.write("nvinx.yaml", TWO_CARDS)
    says = "resources: gpu=1"
    rule = RULE.format(name="one", says=says).replace("NVINX_PLACEMENT", "NVINX_GPU_INDEX")
    workspace.write("Snakefile", rule)
    workspace.environ["CUDA_VISIBLE_DEVICES"] = "1"
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text
    assert outcome.files["one.txt"] == "1\n"
    assert "CUDA_VISIBLE_DEVICES='1' hides GPU 0" in outcome.text

    workspace.environ["CUDA_VISIBLE_DEVICES"] = ""
    outcome = workspace.run("--forceall")
    assert outcome.status == 1
    assert "there is no GPU on this bench (CUDA_VISIBLE_DEVICES='' hides" in outcome.text
