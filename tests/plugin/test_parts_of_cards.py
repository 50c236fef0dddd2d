"""A rule that asks for a part of whichever card, in a real run of Snakemake."""

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
    shell: "echo $NVINX_PLACEMENT $NVINX_VRAM_MB > {{output}}"
"""
SAYS = {
    "ratio": "resources: gpu='1/3'",
    "share": "resources: gpu_share='33%', residency='gpu_shared'",
    "computed": "resources: gpu=lambda wildcards, attempt: f'{attempt}/2'",
    "ray": "resources: num_gpus='0.5'",
    "whole": "resources: gpu='1/1'",
    "model": "resources: gpu_share='1/4', model='embed'",
}
SEEN = {
    "ratio": "gpu_shared 1332",
    "share": "gpu_shared 1319",
    "computed": "gpu_shared 1999",
    "ray": "gpu_shared 1999",
    "whole": "gpu_exclusive 3999",
    "model": "gpu_shared 999",
}
GROUP = """
rule all:
    input: "joined.txt"
rule part:
    output: "part{n}.txt"
    group: "fan"
    resources: gpu=config["part"]
    shell: "echo $NVINX_VRAM_MB > {output}"
rule joined:
    input: "part1.txt", "part2.txt"
    output: "joined.txt"
    group: "fan"
    resources: gpu_share="1/4", vram_mb=config.get("size", 0)
    shell: "echo $NVINX_VRAM_MB > {output}"
"""


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    return with_rules(make_workspace("plain"), SAYS)


def with_rules(workspace: Workspace, says: dict[str, str]) -> Workspace:
    wanted = f"rule all:\n    input: {[f'{name}.txt' for name in says]}\n"
    rules = "".join(RULE.format(name=name, says=text) for name, text in says.items())
    workspace.write("Snakefile", wanted + rules)
    workspace.write(
        "nvinx.yaml",
        "hardware: {cpu_cores: 4, ram_gb: 8, vram_gb: 4, simulated: true}\n"
        "models: [{name: embed, vram_gb: 0.9, residency: gpu_exclusive}]\n",
    )
    return workspace


def test_jobs_get_their_part_however_it_is_written(workspace: Workspace) -> None:
    outcome = workspace.run("--resources", "vram_mb=3000")

    assert outcome.status == 0, outcome.text
    assert {name: outcome.files[f"{name}.txt"].strip() for name in SAYS} == SEEN
    assert "means nothing" not in outcome.text
    told = workspace.nvinx("jobs").stdout
    assert "a third of the card; fits beside others" in " ".join(told.split())
    assert "half of the card" in workspace.nvinx("explain", "computed").stdout


def test_it_is_checked_and_planned_before_anything_runs(workspace: Workspace) -> None:
    said = workspace.nvinx("check")

    assert said.returncode == 0, said.stdout + said.stderr
    assert "rule ratio (1 job): has a third of the card\n" in said.stdout
    assert "rule share (1 job): has 33 % of the card\n" in said.stdout
    assert "  num_gpus='0.5' is read as gpu_share='0.5'\n" in said.stdout
    assert "rule whole (1 job): has a card to itself\n" in said.stdout
    planned = workspace.nvinx("plan")
    assert planned.returncode == 0, planned.stderr
    assert "no policy can be below" in planned.stdout


@pytest.mark.parametrize("bad", ["'1/0'", "'4/3'", "'a third'", "0", "-1"])
def test_a_wrong_part_is_refused_before_anything_runs(workspace: Workspace, bad: str) -> None:
    with_rules(workspace, {"fine": "", "wrong": f"resources: gpu_share={bad}"})
    outcome = workspace.run()

    assert outcome.status != 0
    assert f"rule wrong: gpu_share={bad}: must be a part of one card" in outcome.text
    assert "Fix: write gpu_share='1/3' for a third of a card" in outcome.text
    assert "fine.txt" not in outcome.files


@pytest.mark.parametrize(
    "given",
    [
        ("--set-resources", "plain:gpu_share='1/3'"),
        ("--default-resources", "gpu='1/3'"),
    ],
)
def test_a_part_may_come_from_the_command_line(
    workspace: Workspace, given: tuple[str, str]
) -> None:
    outcome = with_rules(workspace, {"plain": ""}).run(*given)

    assert outcome.status == 0, outcome.text
    assert outcome.files["plain.txt"] == "gpu_shared 1332\n"


def test_a_number_that_snakemake_rounds_to_nothing_is_refused(workspace: Workspace) -> None:
    outcome = with_rules(workspace, {"plain": "resources: gpu_share=0.33"}).run()

    assert outcome.status != 0
    assert "rule plain: gpu_share=0.33: Snakemake rounds this number to 0" in outcome.text
    assert "write it as text: gpu_share='0.33'" in outcome.text


def test_the_parts_of_a_group_add_up_where_they_run_side_by_side(workspace: Workspace) -> None:
    workspace.write("Snakefile", GROUP)
    outcome = workspace.run("--config", "part=1/3")

    assert outcome.status == 0, outcome.text
    assert outcome.files["joined.txt"] == "2665\n"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (("part=2/3",), "group fan: gpu_share=4/3: is more than a card, for jobs of the group"),
        (("part=1/3", "size=900"), "gpu_share='1/4': contradicts vram_mb=900"),
    ],
)
def test_a_group_that_asks_for_too_much_says_so(
    workspace: Workspace, config: tuple[str, ...], said: str
) -> None:
    workspace.write("Snakefile", GROUP)
    outcome = workspace.run("--config", *config)

    assert outcome.status != 0
    assert said in outcome.text


def test_parts_cannot_stand_beside_sizes_in_a_group(workspace: Workspace) -> None:
    workspace.write("Snakefile", GROUP.replace('gpu_share="1/4", ', ""))
    outcome = workspace.run("--config", "part=1/3", "size=900")

    assert outcome.status != 0
    assert "group fan: gpu_share=2/3: is combined with a size in MB" in outcome.text
