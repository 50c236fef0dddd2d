"""What runs with stock Snakemake runs unchanged with nvinx: same files, same exit status.

Each workflow's `expected.txt` is what stock Snakemake leaves; both engines are held to it.
"""

from __future__ import annotations

import importlib.util
import os
import time
from typing import TYPE_CHECKING

import pytest
from waiting import eventually

from nvinx.runs import trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

CONFIG = "nap: {}\n"
NOTEBOOK_TOOLS = ("nbconvert", "ipykernel")


@pytest.mark.parametrize(
    "workflow",
    [
        "shells",
        "everyday",
        "resources",
        "run_rules",
        "retried",
        "grouped",
        "grouped_temp",
        "grouped_texts",
        "checkpoints",
        "streams",
        "shadows",
        "hinted",
        "hooks",
    ],
)
def test_a_workflow_leaves_the_same_files(
    workflow: str, engine: str, make_workspace: MakeWorkspace, expected: Callable[[str], str]
) -> None:
    outcome = make_workspace(workflow, engine).run()
    assert outcome.status == 0, outcome.text
    assert outcome.tree() == expected(workflow)


def test_scripts_and_wrappers_see_what_they_always_saw(
    engine: str, make_workspace: MakeWorkspace, expected: Callable[[str], str]
) -> None:
    workspace = make_workspace("scripts", engine)
    outcome = workspace.run("--wrapper-prefix", f"file://{workspace.path('wrappers')}/")
    assert outcome.status == 0, outcome.text
    assert outcome.tree() == expected("scripts")


@pytest.mark.skipif(
    any(importlib.util.find_spec(tool) is None for tool in NOTEBOOK_TOOLS),
    reason="jupyter's nbconvert and ipykernel are not installed",
)
def test_a_notebook_is_executed(engine: str, make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("notebooks", engine).run()
    assert outcome.status == 0, outcome.text
    assert outcome.files["out/noted.txt"] == "noted by noted\n"


@pytest.mark.parametrize("workflow", ["contained", "environments"])
def test_containers_and_environments_are_ignored_unless_asked_for(
    workflow: str, engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace(workflow, engine)
    # even then Snakemake asks conda what is in a named environment, to note it down
    workspace.put_on_path(workspace.path("bin"))
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text
    assert outcome.files
    assert all("in " not in text or "in none" in text for text in outcome.files.values())


@pytest.mark.parametrize(
    ("workflow", "method"), [("contained", "apptainer"), ("environments", "conda")]
)
def test_jobs_run_inside_their_container_or_environment(
    workflow: str,
    method: str,
    engine: str,
    make_workspace: MakeWorkspace,
    expected: Callable[[str], str],
) -> None:
    workspace = make_workspace(workflow, engine)
    workspace.put_on_path(workspace.path("bin"))
    outcome = workspace.run("--sdm", method)
    assert outcome.status == 0, outcome.text
    assert outcome.tree() == expected(workflow)


def test_every_way_to_fail_gives_status_1_and_leaves_other_branches_to_finish(
    engine: str, make_workspace: MakeWorkspace, expected: Callable[[str], str]
) -> None:
    outcome = make_workspace("failures", engine).run("--keep-going", "--latency-wait", "0")
    assert outcome.status == 1, outcome.text
    assert outcome.tree() == expected("failures")
    for said in ("exit status 77", "raised in a run block", "raised in a script"):
        assert said in outcome.text
    for rule in ("status", "pipe", "unset", "python", "script"):
        assert outcome.text.count(f"Error in rule {rule}:") == 1


def test_a_failed_job_leaves_no_output_and_a_queued_one_keeps_its_old_output(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("stale", engine)
    assert workspace.run(cores=1).status == 0
    workspace.path("out/started.log").unlink()
    workspace.write("data/first.txt", "bad\n")
    workspace.write("data/second.txt", "new 2\n")

    failed = workspace.run(cores=1)
    assert failed.status == 1
    assert "out/first.txt" not in failed.files
    assert failed.files["out/second.txt"] == "old 2\n", "its job never started"
    assert "out/started.log" not in failed.files
    assert failed.text.count("Error in rule") == 1, failed.text

    workspace.write("data/first.txt", "good again\n")
    mended = workspace.run(cores=1)
    assert mended.status == 0, mended.text
    assert mended.files["out/first.txt"] == "good again\n"
    assert mended.files["out/second.txt"] == "new 2\n"
    assert mended.files["out/started.log"] == "second\n"


def test_the_error_hook_runs_after_a_failure(engine: str, make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("hooks", engine).run("--config", "target=broken")
    assert outcome.status == 1
    assert outcome.files["out/hook.end"] == "it did not go well\n"
    assert "out/broken.txt" not in outcome.files


def test_a_dry_run_lists_the_jobs_and_runs_none(engine: str, make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("choices", engine).run("--dry-run")
    assert outcome.status == 0, outcome.text
    assert outcome.files == {}
    for rule in ("begin", "middle", "end", "side"):
        assert f"rule {rule}:" in outcome.text
    assert "This was a dry-run" in outcome.text


def test_until_and_config_choose_what_runs_and_a_complete_workflow_runs_nothing(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("choices", engine)
    until = workspace.run("--until", "middle", "--config", "word=given")
    assert until.status == 0, until.text
    assert until.files == {"out/begin.txt": "given\n", "out/middle.txt": "given\nmiddle\n"}

    rest = workspace.run("--config", "word=given")
    assert rest.status == 0, rest.text
    assert rest.files["out/end.txt"] == "given\nmiddle\nend\n"
    written = workspace.path("out/end.txt").stat().st_mtime_ns

    nothing = workspace.run("--config", "word=given")
    assert nothing.status == 0, nothing.text
    assert "Nothing to be done" in nothing.text
    assert workspace.path("out/end.txt").stat().st_mtime_ns == written


def test_touch_marks_old_files_as_new_and_runs_nothing(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("choices", engine)
    for name in ("begin", "middle", "end", "side"):
        os.utime(workspace.write(f"out/{name}.txt", f"old {name}\n"), (1e9, 1e9))

    touched = workspace.run("--touch", "--forceall")
    assert touched.status == 0, touched.text
    assert touched.files["out/end.txt"] == "old end\n"
    assert time.time() - workspace.path("out/end.txt").stat().st_mtime < 600


def test_work_cut_off_by_kill_9_is_found_incomplete_and_done_again(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("interrupted", engine)
    workspace.write("config.yaml", CONFIG.format("3599"))
    process = workspace.start("out/shell.txt")
    half = workspace.path("out/shell.txt")
    assert eventually(lambda: half.exists() and half.read_text() == "half\n")
    process.kill()
    workspace.family.close()
    workspace.write("config.yaml", CONFIG.format("0.1"))

    assert workspace.run("--unlock").status == 0
    refused = workspace.run("out/shell.txt")
    assert refused.status == 1
    assert "incomplete" in refused.text
    again = workspace.run("out/shell.txt", "--rerun-incomplete")
    assert again.status == 0, again.text
    assert again.files["out/shell.txt"] == "whole\n"


def test_a_second_run_finds_the_same_files_by_their_pattern(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("plain", engine)
    workspace.write("data/a.jsonl", "")
    workspace.write(
        "Snakefile",
        "FOUND = sorted(glob_wildcards('{name}.jsonl').name)\n"
        "PAIRS = sorted(glob_wildcards('{a}_{b}.txt').a)\n\n\n"
        "rule list:\n    output: 'list.out'\n    params: found=str((FOUND, PAIRS))\n"
        '    shell: "echo {params.found:q} > {output}"\n',
    )
    first, second = workspace.run(), workspace.run("--forceall")

    assert (first.status, second.status) == (0, 0), second.text
    assert second.files["list.out"] == first.files["list.out"] == "(['data/a'], [])\n"


@pytest.mark.usefixtures("executor")
def test_the_first_run_tells_of_our_folder_and_it_may_lie_elsewhere(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("choices")
    elsewhere = workspace.run("--nvinx-trace", str(workspace.home / "traces"))
    assert elsewhere.status == 0, elsewhere.text
    assert not workspace.path(".nvinx").exists()
    assert trace.latest(workspace.home / "traces") is not None

    first, second = workspace.run("--forceall"), workspace.run("--forceall")
    assert "this run is recorded in .nvinx/" in first.text
    assert "this run is recorded in .nvinx/" not in second.text
