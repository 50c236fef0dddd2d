"""`nvinx plan` on a workflow: the jobs that Snakemake would run, and none of them runs."""

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


def _plan(workspace: Workspace, *args: str) -> subprocess.CompletedProcess[str]:
    program = "from nvinx.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "plan", *args],
        cwd=workspace.work,
        env={**workspace._environment(), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )


def _jobs(done: subprocess.CompletedProcess[str]) -> dict[str, dict]:
    assert done.returncode == 0, done.stdout + done.stderr
    return {job["name"]: job for job in json.loads(done.stdout)["jobs"]}


def test_every_job_of_the_workflow_is_planned_and_none_runs(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    done = _plan(workspace)

    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("whole", "part[1]", "part[2]", "part[3]"):
        assert name in done.stdout
    assert (
        "No run time is known for part, whole, so each of their jobs counts as a minute."
        in done.stdout
    )
    assert "no policy can be below" in done.stdout
    assert workspace.files() == {}


def test_after_a_run_the_times_that_jobs_took_are_planned_with(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("shared_card")
    guessed = _jobs(_plan(workspace, "--json"))
    assert workspace.run().status == 0
    known = _jobs(_plan(workspace, "Snakefile", "--json", "--", "--forceall"))
    assert "No run time" not in _plan(workspace, "Snakefile", "--", "--forceall").stdout

    assert guessed["whole"]["end_s"] - guessed["whole"]["start_s"] == 60
    assert 0.3 < known["whole"]["end_s"] - known["whole"]["start_s"] < 20


def test_what_is_done_already_is_not_planned(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    assert workspace.run().status == 0
    done = _plan(workspace)

    assert (done.returncode, done.stdout) == (0, "There is nothing to do.\n"), done.stderr


def test_the_jobs_can_be_kept_as_a_workload(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    first = _jobs(_plan(workspace, "Snakefile", "--json", "--workload", "jobs.json"))
    again = _jobs(_plan(workspace, "jobs.json", "--json"))

    assert again == first


def test_needs_between_jobs_are_kept(make_workspace: MakeWorkspace) -> None:
    planned = _jobs(_plan(make_workspace("checkpoints"), "--json"))

    assert planned["split"]["end_s"] <= planned["aggregate"]["start_s"]


def test_a_job_that_needs_the_disk_is_planned_with_it(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    rule = "rule big:\n    output: 'big.txt'\n    resources: {}\n    shell: 'touch {{output}}'\n"
    sizes = "vram_mb=6000, ram_overflow=1, mem_mb=1000, disk_mb=1500"
    workspace.write("Snakefile", rule.format(sizes))
    planned = _jobs(_plan(workspace, "--json"))
    workspace.write("Snakefile", rule.format(sizes.replace("1500", "500")))

    assert planned["big"]["placement"] == "gpu_ram_overflow", planned
    assert "are missing. Fix: raise mem_mb, or add disk_mb" in workspace.run().text


def test_a_wrong_hint_is_an_error_of_the_plan_too(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("misjudged")
    workspace.write("hints.json", json.dumps({"vram_mb": 90000}))
    done = _plan(workspace)

    assert done.returncode == 1
    assert "Fix: lower vram_mb" in done.stdout + done.stderr
    assert "Platform:" not in done.stdout + done.stderr


def test_a_missing_snakefile_is_named(make_workspace: MakeWorkspace) -> None:
    done = _plan(make_workspace("shared_card"), "Snakefiel")

    assert done.returncode == 2
    assert "Snakefiel: no such file. Fix: name the Snakefile" in done.stderr


def test_arguments_for_snakemake_need_no_name_of_a_snakefile(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    planned = _jobs(_plan(workspace, "--json", "--", "--until", "part"))

    assert planned
    assert {name.partition("[")[0] for name in planned} == {"part"}


def test_two_plans_of_one_workflow_are_the_same(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("shared_card")
    first, second = (_jobs(_plan(workspace, "--json")) for _ in range(2))
    assert first == second
    assert list(first) == list(second)


def test_the_snakefile_and_the_bench_file_are_found_where_snakemake_looks(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("shared_card")
    workspace.write("workflow/Snakefile", workspace.read("Snakefile"))
    workspace.path("Snakefile").unlink()
    workspace.path("config.yaml").rename(workspace.path("settings.yaml"))
    planned = _jobs(_plan(workspace, "--json", "--", "--configfile", "settings.yaml"))
    assert planned["whole"]["placement"] == "gpu_exclusive"

    workspace.path("nvinx.yaml").rename(workspace.path("bench.yaml"))
    refused = workspace.run("--configfile", "settings.yaml")
    assert f"read from ./nvinx.yaml, ./workflow/nvinx.yaml, {workspace.home}" in refused.text


def test_the_bench_file_of_a_project_is_used_by_snakemake_too(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    rule = "rule one:\n    output: 'one.txt'\n    resources: gpu=1\n    shell: 'touch {output}'\n"
    workspace.write("workflow/Snakefile", rule)
    process = workspace.start_plainly("--executor", "nvinx", "--cores", "2", "--jobs", "5")
    text = workspace.wait(process)

    assert process.returncode == 0, text
    assert "bench from ./nvinx.yaml: 1 GPU, " in text


def test_a_job_whose_needs_an_earlier_one_will_tell_is_planned_as_a_guess(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("found_late")
    jobs = _jobs(_plan(workspace, "Snakefile", "--json"))
    shown = _plan(workspace)

    assert jobs["small"]["is_guessed"]
    assert jobs["small"]["placement"] == "gpu_exclusive"
    assert jobs["globbed"]["is_guessed"]
    assert jobs["globbed"]["placement"] == "cpu_only"
    assert not jobs["measure[small]"]["is_guessed"]
    assert "needs not known yet; planned with a whole card" in " ".join(shown.stdout.split())


def test_a_job_that_may_spill_to_ram_not_known_yet_is_planned_as_a_guess(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    workspace.write(
        "Snakefile",
        'rule spills:\n    input: "made.txt"\n    output: "end.txt"\n'
        "    resources: vram_mb=6000, ram_overflow=1, mem_mb=lambda wildcards, input: input.size_mb\n"
        '    shell: "touch {output}"\n'
        'rule made:\n    output: "made.txt"\n    shell: "touch {output}"\n',
    )
    assert _jobs(_plan(workspace, "--json"))["spills"]["is_guessed"]
