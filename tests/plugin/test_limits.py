"""Every limit that a user states holds, as it does with stock Snakemake."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]


def _most_at_once(workspace: Workspace) -> int:
    steps = (1 if line == "begin" else -1 for line in workspace.read("spans.log").split())
    return max(itertools.accumulate(steps))


@pytest.mark.parametrize(
    ("target", "args", "most"),
    [
        ("ram", ("--resources", "mem_mb=1000"), 1),
        ("ram", ("--resources", "mem=1300MB"), 2),
        ("disk", ("--resources", "disk_mb=1000"), 1),
        ("licences", ("--resources", "licence=2"), 2),
        ("licences", ("--resources", "licence=2", "--set-resource-scopes", "licence=local"), 2),
        ("locals", (), 4),
        ("wides", (), 2),
    ],
)
def test_no_more_run_at_once_than_the_user_allows(
    target: str, args: tuple[str, ...], most: int, engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("limited", engine)
    outcome = workspace.run(target, *args)

    assert outcome.status == 0, outcome.text
    assert _most_at_once(workspace) <= most


@pytest.mark.usefixtures("executor")
@pytest.mark.parametrize(
    ("stated", "at_once"),
    [
        ((), 120),
        (("--max-jobs-per-timespan", "50/1s"), 50),
        (("--max-jobs-per-timespan", "100/2s"), 100),
    ],
)
def test_jobs_a_second_are_limited_only_where_the_user_does(
    stated: tuple[str, ...], at_once: int, make_workspace: MakeWorkspace
) -> None:
    outcome = make_workspace("limited").run("manys", "--jobs", "unlimited", *stated)

    assert outcome.status == 0, outcome.text
    sizes = [int(size) for size in re.findall(r"Execute (\d+) jobs", outcome.text)]
    assert max(sizes) == at_once, sizes


@pytest.mark.usefixtures("executor")
def test_a_limit_of_vram_counts_and_clamps_other_words_for_it(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("limited")
    workspace.write("nvinx.yaml", "hardware: {vram_gb: 4.0, simulated: true}\n")
    outcome = workspace.run("cards", "--resources", "vram_mb=1500")

    assert outcome.status == 0, outcome.text
    assert _most_at_once(workspace) <= 2
    assert "card_job[0] -> GPU 0 shared (1.50 GB of 4.00 GB)" in outcome.text


@pytest.mark.usefixtures("executor")
def test_a_limit_of_vram_counts_and_clamps_what_a_model_takes(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("limited")
    models = "models: [{name: esm, vram_gb: 1.2, residency: gpu_shared}]\n"
    workspace.write("nvinx.yaml", f"hardware: {{vram_gb: 8.0, simulated: true}}\n{models}")
    targets = [f"model{n}.txt" for n in range(4)]
    outcome = workspace.run(*targets, "model9.txt", "--resources", "vram_mb=1000")

    assert outcome.status == 0, outcome.text
    assert _most_at_once(workspace) <= 2  # one on the card, and the one that wants none
    assert "model_job[0] -> GPU 0 shared (1.00 GB of 8.00 GB)" in outcome.text
    assert "model_job[9] -> GPU" not in outcome.text


@pytest.mark.usefixtures("executor")
def test_a_limit_of_vram_leaves_defaults_and_local_rules_as_they_are(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("limited")
    workspace.write("nvinx.yaml", "hardware: {vram_gb: 4.0, simulated: true}\n")
    args = ("--resources", "vram_mb=3000", "--default-resources", "vram='5GB'")
    outcome = workspace.run("local0.txt", "ram0.txt", "stated.txt", *args)

    assert outcome.status == 0, outcome.text
    assert "ram_job[0] -> GPU 0 shared (3.00 GB of 4.00 GB)" in outcome.text
    assert "stated -> GPU 0 shared (0.90 GB of 4.00 GB)" in outcome.text
    assert "local[0] -> GPU" not in outcome.text


@pytest.mark.usefixtures("executor")
def test_neither_cores_nor_jobs_need_be_stated(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("limited")
    workspace.write("nvinx.yaml", "hardware: {cpu_cores: 6, ram_gb: 4}\n")
    process = workspace.start_plainly("--executor", "nvinx", "fraction.txt", "locals")
    text = workspace.wait(process)

    assert process.returncode == 0, text
    assert workspace.read("fraction.txt") == "3\n"
    assert _most_at_once(workspace) <= 6
