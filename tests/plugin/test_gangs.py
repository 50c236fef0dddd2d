"""Rules that ask for several cards, in a real run of Snakemake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

RULES = """
rule all:
    input: "whole.txt", "each.txt", "some.txt", "model.txt", "small.txt", "group.txt"
rule whole:
    output: "whole.txt"
    resources: gpu=2
    shell: "echo $NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES > {output}"
rule each:
    output: "each.txt"
    resources: gpu=2, vram_mb=900
    shell: "echo $NVINX_PLACEMENT $NVINX_MAX_MEMORY > {output}"
rule some:
    output: "some.txt"
    resources: gpu="1-4", runtime=1
    run:
        import nvinx.placement
        here = nvinx.placement.current()
        open(output[0], "w").write(f"{here.residency.value} {1 <= len(here.devices) <= 2}\\n")
rule model:
    output: "model.txt"
    resources: gpus=2, gpu_model="b", cpu_fallback=1
    shell: "echo $NVINX_PLACEMENT > {output}"
rule small:
    output: "small.txt"
    resources: vram_mb=500
    shell: "echo $NVINX_PLACEMENT > {output}"
rule member:
    output: "member.txt"
    group: "pair"
    resources: gpu=2, vram_mb=700
    shell: "echo $CUDA_VISIBLE_DEVICES > {output}"
rule of_group:
    input: "member.txt"
    output: "group.txt"
    group: "pair"
    resources: vram_mb=300
    shell: "cat {input} > {output}"
"""
SEEN = {
    "whole": "gpu_exclusive 0,1",
    "each": 'gpu_shared {"0":900000000,"1":900000000}',
    "some": "gpu_exclusive True",
    "model": "cpu_only",
    "small": "gpu_shared",
    "group": "0,1",
}
BENCH = (
    "hardware: {cpu_cores: 4, ram_gb: 8, gpus: [{name: a, vram_gb: 4, simulated: true},"
    " {name: b, vram_gb: 4, simulated: true}]}\n"
)


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    workspace = make_workspace("plain")
    workspace.write("Snakefile", RULES)
    workspace.write("nvinx.yaml", BENCH)
    return workspace


def test_each_gets_its_cards_and_is_shown_on_them(workspace: Workspace) -> None:
    outcome = workspace.run()

    assert outcome.status == 0, outcome.text
    assert {name: outcome.files[f"{name}.txt"].strip() for name in SEEN} == SEEN
    told = json.loads(workspace.nvinx("jobs", "--json").stdout)
    assert "GPU 0+1 alone" in {job["where"] for job in told["jobs"]}
    lanes = workspace.nvinx("jobs").stdout
    assert lanes.count("whole") >= 3, lanes  # on both cards, and in the table


def test_it_is_checked_and_planned_before_anything_runs(workspace: Workspace) -> None:
    said = workspace.nvinx("check")

    assert said.returncode == 0, said.stdout + said.stderr
    assert "rule whole (1 job): has 2 cards to itself\n" in said.stdout
    assert "rule each (1 job): shares 2 cards, 0.90 GB of each\n" in said.stdout
    assert "rule some (1 job): has 1 to 4 cards to itself\n" in said.stdout
    planned = workspace.nvinx("plan")
    assert planned.returncode == 0, planned.stderr
    assert "GPU 0+1 alone" in planned.stdout


def test_more_cards_than_there_are_stop_the_run_before_its_first_job(workspace: Workspace) -> None:
    outcome = workspace.run("--set-resources", "whole:gpu=3")

    assert outcome.status != 0
    assert (
        "rule whole: whole asks for 3 cards at once, and this bench has only 2 cards"
        in outcome.text
    )
    assert "Fix: write gpu=2, or gpu='1-3' for as many of them as are free" in outcome.text
    assert not outcome.files.get("small.txt")
