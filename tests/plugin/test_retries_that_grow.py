"""A job that asks for more VRAM at each attempt gets a lease of its own for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

GROWS = "resources: vram_mb=lambda wildcards, attempt: 1000 * attempt"
CHAIN = f"""
rule last:
    input: "grown.txt"
    output: "last.txt"
    group: "chain"
    shell: "cat {{input}} > {{output}}"


rule grown:
    input: "steady.txt"
    output: "grown.txt"
    group: "chain"
    retries: 2
    {GROWS}
    shell:
        \"\"\"
        echo {{resources.vram_mb}} $NVINX_VRAM_MB >> grown.log
        test {{resources.vram_mb}} -ge 2000 && touch {{output}}
        \"\"\"


rule steady:
    output: "steady.txt"
    group: "chain"
    retries: 1
    shell: "echo once >> steady.log; test $(wc -l < steady.log) -ge 2 && touch {{output}}"
"""
IN_PROCESS = f"""
rule last:
    output: "last.txt"
    retries: 1
    {GROWS}
    run:
        shell("echo {{resources.vram_mb}} $NVINX_VRAM_MB >> grown.log")
        shell("test {{resources.vram_mb}} -ge 2000 && touch {{output}}")
"""


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    made.write("nvinx.yaml", "hardware: {cpu_cores: 4, ram_gb: 8, vram_gb: 4, simulated: true}\n")
    return made


def _tries(workspace: Workspace) -> list[str]:
    outcome = workspace.run("last.txt")
    assert outcome.status == 0, outcome.text
    return workspace.read("grown.log").splitlines()


def test_a_group_is_tried_again_as_a_whole_where_a_member_grows(workspace: Workspace) -> None:
    workspace.write("Snakefile", CHAIN)
    assert _tries(workspace) == ["1000 1000", "2000 2000"]


def test_a_member_that_does_not_grow_is_tried_again_by_itself(workspace: Workspace) -> None:
    workspace.write("Snakefile", CHAIN.replace(GROWS, "resources: vram_mb=2000"))
    assert _tries(workspace) == ["2000 2000"]
    assert workspace.read("steady.log").splitlines() == ["once", "once"]


def test_a_rule_that_runs_in_its_own_process_is_not_tried_again_in_there(
    workspace: Workspace,
) -> None:
    workspace.write("Snakefile", IN_PROCESS)
    assert _tries(workspace) == ["1000 1000", "2000 2000"]
