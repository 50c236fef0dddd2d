"""However a run is stopped, it stops: no job is left alive, none starts late, and it can go on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from waiting import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Collection, Mapping

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

WAITS = """
rule first:
    output: "first.txt"
    shell: "echo half > {output}; until [ -e go ]; do sleep 0.1; done; echo whole > {output}"


rule late:
    input: "first.txt"
    output: "late.txt"
    shell: "touch {output}"
"""
AMID_ITS_CLEANING_UP = """
HALF = "trap 'rm -f .snakemake/incomplete/*' TERM; echo half > {output}; until [ -e go ]; do sleep 0.1 || :; done"
WHOLE = "date +%N > {output}"


rule all:
    input: "own.txt", "last.txt"


rule own:
    output: "own.txt"
    run: shell(f"{HALF}; {WHOLE}")


rule first:
    output: "first.txt"
    group: "both"
    shell: WHOLE


rule last:
    input: "first.txt"
    output: "last.txt"
    group: "both"
    shell: f"{HALF}; {WHOLE}"
"""
TRIED_AGAIN = """
rule first:
    output: "first.txt"
    group: "both"
    shell: "date +%N > {output}"


rule last:
    input: "first.txt"
    output: "last.txt"
    group: "both"
    retries: 1
    shell:
        "[ -e once ] || {{ touch once; exit 1; }}; [ ! -e go ] || {{ echo whole > {output}; exit; }};"
        "trap 'rm -f .snakemake/incomplete/*' TERM; echo half > {output}; while :; do sleep 0.1 || :; done"
"""
WRITES_ON = """
rule slow:
    output: "slow.txt"
    shell: "(trap '' TERM; touch begun; while sleep 0.2; do echo half > {output}; done) | cat"
"""
WRITES_ON_IN_ITS_OWN_PROCESS = """
rule slow:
    output: "slow.txt"
    run: shell("(trap '' TERM; while sleep 0.2; do echo half > {output}; done) | cat")
"""
OTHERS_TRACEBACK = r'Traceback [^\n]*\n\s+File "(?!\./\.snakemake/scripts/)'  # but a job's own
STARTED = ("shell", "script", "stubborn", "block")
QUEUED = [f"out/queued{n}.txt" for n in (1, 2, 3)]


def _unique_nap() -> str:
    """A time to sleep that no other process on this machine sleeps: it marks our jobs."""
    return f"3600.{os.getpid()}{time.monotonic_ns() % 10**9:09}"


def _asleep(nap: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(nap in word for word in words):
            found.append(process)
    return found


def _signal_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def _interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def _terminate(process: subprocess.Popen[str]) -> None:
    process.terminate()


def _start(workspace: Workspace) -> tuple[str, subprocess.Popen[str]]:
    """Start four jobs that sleep, with three more queued behind them."""
    nap = _unique_nap()
    workspace.write("config.yaml", f"nap: '{nap}'\n")
    process = workspace.start()
    half_done = [workspace.path(f"out/{kind}.txt") for kind in STARTED]
    assert eventually(lambda: all(p.exists() for p in half_done)), "the jobs did not start"
    assert eventually(lambda: len([p for p in _asleep(nap) if p.name() == "sleep"]) == 4)
    return nap, process


def _begun(
    workspace: Workspace, snakefile: str, *words: str, until: Collection[str]
) -> subprocess.Popen[str]:
    """A run of a workflow, as soon as these files are there."""
    workspace.write("Snakefile", snakefile)
    process = workspace.start(*words)
    assert eventually(lambda: all(workspace.path(name).exists() for name in until))
    return process


def _taken_up_again(workspace: Workspace, *targets: str) -> Mapping[str, str]:
    """All files, once the jobs that waited for the word were let go on."""
    workspace.write("go", "")
    again = workspace.run("--rerun-incomplete", *targets)
    assert again.status == 0, again.text
    return again.files


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(_signal_group, id="SIGINT to the process group"),
        pytest.param(_interrupt, id="SIGINT to the process alone"),
        pytest.param(_terminate, id="SIGTERM to the process alone"),
    ],
)
def test_a_stopped_run_leaves_no_job_alive_and_can_be_taken_up_again(
    stop: Callable[[subprocess.Popen[str]], None],
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("interrupted")
    nap, process = _start(workspace)

    stop(process)
    text = workspace.wait(process)
    assert process.returncode != 0
    assert "snakemake_executor_plugin_nvinx" not in text
    assert ("SIGTERM ends 4 running jobs now" in text) is (stop is _terminate)
    assert eventually(lambda: not _asleep(nap)), _asleep(nap)
    assert eventually(lambda: not workspace.family.living()), workspace.family.living()
    assert not [name for name in QUEUED if workspace.path(name).exists()]

    workspace.write("config.yaml", "nap: 0.1\n")
    again = workspace.run("--rerun-incomplete")
    assert again.status == 0, again.text
    assert {again.files[f"out/{kind}.txt"] for kind in STARTED} == {"whole\n"}
    assert all(name in again.files for name in QUEUED)


def test_what_is_killed_amid_its_own_cleaning_up_is_made_anew_and_what_was_done_before_is_kept(
    make_workspace: MakeWorkspace,
) -> None:
    """Snakemake removes the mark of a failed job first, and then what the job wrote."""
    workspace = make_workspace("plain")
    process = _begun(workspace, AMID_ITS_CLEANING_UP, until=["own.txt", "last.txt"])
    done = workspace.path("first.txt").read_text()

    _interrupt(process)
    workspace.wait(process)
    assert [workspace.path(f"{n}.txt").read_text() for n in ("own", "last")] == ["half\n"] * 2

    files = _taken_up_again(workspace)
    assert "half\n" not in (files["own.txt"], files["last.txt"])
    assert files["first.txt"] == done


def test_the_second_try_of_a_groups_job_is_made_anew_as_well(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    process = _begun(workspace, TRIED_AGAIN, "last.txt", until=["last.txt"])
    done = workspace.path("first.txt").read_text()

    _interrupt(process)
    workspace.wait(process)
    files = _taken_up_again(workspace, "last.txt")
    assert files["last.txt"] == "whole\n"
    assert files["first.txt"] == done


def test_what_is_kept_of_a_job_that_sigterm_ended_does_not_count_as_whole(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    words = ("--keep-incomplete", "first.txt")
    process = _begun(workspace, WAITS, *words, until=["first.txt"])

    process.terminate()
    text = workspace.wait(process)
    assert "SIGTERM ends 1 running job now" in text
    assert "unfinished outputs are kept and marked as incomplete" in text
    assert workspace.path("first.txt").read_text() == "half\n"
    assert _taken_up_again(workspace, "first.txt")["first.txt"] == "whole\n"


def test_ctrl_c_while_sigterm_still_ends_jobs_leaves_nothing_that_counts_as_whole(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    process = _begun(workspace, WRITES_ON_IN_ITS_OWN_PROCESS, until=["slow.txt"])

    process.terminate()
    assert eventually(lambda: not any(workspace.path(".snakemake/incomplete").iterdir()))
    assert eventually(workspace.path("slow.txt").exists)
    _interrupt(process)
    workspace.wait(process)
    assert "slow.txt" in workspace.run("-n", "--rerun-incomplete").text


def test_after_sigterm_nothing_of_a_job_writes_once_its_outputs_are_removed(
    make_workspace: MakeWorkspace,
) -> None:
    """Its shell obeys at once; what that started takes the time that it is given."""
    workspace = make_workspace("plain")
    process = _begun(workspace, WRITES_ON, until=["begun"])

    process.terminate()
    text = workspace.wait(process)
    assert process.returncode == 1, text
    assert "unfinished outputs are removed" in text
    assert eventually(lambda: not workspace.family.living())
    assert not workspace.path("slow.txt").exists()


def test_ctrl_c_pressed_again_waits_for_nobody_and_shows_no_traceback(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("interrupted")
    nap, process = _start(workspace)
    _interrupt(process)
    assert eventually(lambda: [p.info["cmdline"][0] for p in _asleep(nap)].count("sleep") == 1)
    _interrupt(process)
    text = workspace.wait(process)
    assert process.returncode != 0
    assert not re.search(OTHERS_TRACEBACK, text), text
    assert eventually(lambda: not _asleep(nap)), _asleep(nap)


def test_ctrl_c_pressed_many_times_still_leaves_all_marked_and_shows_no_traceback_of_ours(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    process = _begun(workspace, AMID_ITS_CLEANING_UP, until=["own.txt", "last.txt"])

    def is_over() -> bool:
        _interrupt(process)
        return process.poll() is not None

    assert eventually(is_over, pause_s=0.01)
    assert "snakemake_executor_plugin_nvinx" not in workspace.wait(process)

    files = _taken_up_again(workspace)
    assert "half\n" not in (files["own.txt"], files["last.txt"])


def test_what_cannot_be_marked_is_told(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("plain")
    process = _begun(workspace, WAITS, "first.txt", until=["first.txt"])
    shutil.rmtree(workspace.path(".snakemake/incomplete"))
    workspace.write(".snakemake/incomplete", "")

    _interrupt(process)
    text = workspace.wait(process)
    assert process.returncode == 1
    assert "Traceback" not in text
    assert "Fix: before the next run, remove first.txt" in text


def test_after_sigterm_stock_waits_for_its_jobs_and_nvinx_ends_them_and_neither_starts_more(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("plain", engine)
    process = _begun(workspace, WAITS, "late.txt", until=["first.txt"])

    process.terminate()
    if engine == "stock":
        workspace.write("go", "")
    text = workspace.wait(process)

    assert process.returncode == 1, text
    assert not workspace.path("late.txt").exists()
    assert workspace.path("first.txt").exists() is (engine == "stock")


def test_jobs_live_on_when_snakemake_is_killed(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace("interrupted")
    nap = _unique_nap()
    workspace.write("config.yaml", f"nap: '{nap}'\n")
    process = workspace.start("out/shell.txt")
    assert eventually(lambda: _asleep(nap))

    process.kill()
    process.wait()
    time.sleep(0.5)
    assert [p for p in _asleep(nap) if p.name() == "sleep"]
