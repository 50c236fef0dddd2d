"""A rule of a range of VRAM shares its card with those that come later, and is never ended for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

BENCH = "hardware: {cpu_cores: 4, ram_gb: 8, vram_gb: 4, simulated: true}\n"
SERVER = """
import pathlib, time
from nvinx import placement

with open("said", "w", buffering=1) as said:
    print("begins", placement.current().vram_mb, file=said)
    while not pathlib.Path("embed.txt").exists():
        if placement.current().budget_changed():
            print("now", placement.current().vram_mb, file=said)
        time.sleep(0.02)
"""
RULES = """
rule all:
    input: "server.txt", "embed.txt"


rule server:
    output: "server.txt"
    resources: {size}
    shell: "python server.py && cp said server.txt"


rule served:
    output: "served.txt"
    shell: "while ! grep -q begins said; do sleep 0.05; done; touch {{output}}"


rule embed:
    input: "served.txt"
    output: "embed.txt"
    resources: vram_mb=3000
    shell: "echo $NVINX_VRAM_MB > {{output}}"
"""


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    made.write("nvinx.yaml", BENCH)
    made.write("server.py", SERVER)
    return made


@pytest.mark.parametrize("size", ['vram_mb="1000-4000"', 'vram="1-4GB"'])
def test_it_shrinks_for_a_job_of_its_own_run(workspace: Workspace, size: str) -> None:
    workspace.write("Snakefile", RULES.format(size=size))
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text
    assert workspace.read("embed.txt") == "3000\n"
    assert workspace.read("server.txt").splitlines()[:2] == ["begins 4000", "now 1000"]


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ('vram_mb="4000-1000"', "begins with the larger size"),
        ('vram_mb="1000-4000", gpu=2', "a job of several cards"),
        ('vram_mb="1000-4000", residency="gpu_exclusive"', "that has its card alone"),
        ('vram_mb="1000-4000", ram_overflow=1, mem_mb=1000', "a job that spills"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    workspace: Workspace, resources: str, why: str
) -> None:
    workspace.write(
        "Snakefile",
        f'rule one:\n    output: "one.txt"\n    resources: {resources}\n    shell: "touch {{output}}"\n',
    )
    outcome = workspace.run()
    assert outcome.status != 0
    assert why in outcome.text
    assert "Fix: " in outcome.text
    assert not workspace.path("one.txt").exists()


@pytest.mark.parametrize("size", ['vram_mb="1000-4000"', 'vram="1-4GB"'])
def test_where_a_limit_is_to_count_it_it_is_refused(workspace: Workspace, size: str) -> None:
    workspace.write("Snakefile", RULES.format(size=size))
    outcome = workspace.run("--resources", "vram_mb=4000")
    assert outcome.status != 0
    hint = size.partition("=")[0]
    assert (
        f"rule server: {hint}: is a text or a range, which --resources vram_mb=4000" in outcome.text
    )
    assert "Traceback" not in outcome.text
    assert not workspace.path("said").exists()


def test_in_a_group_it_is_refused(workspace: Workspace) -> None:
    workspace.write(
        "Snakefile",
        'rule one:\n    output: "one.txt"\n    group: "g"\n'
        '    resources: vram_mb="1000-4000"\n    shell: "touch {output}"\n',
    )
    outcome = workspace.run()
    assert outcome.status != 0
    assert "rule one: vram_mb='1000-4000': is a range, and the jobs of a group" in outcome.text
