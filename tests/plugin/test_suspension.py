"""A long job leaves its card for an urgent one and goes on from there, in Snakemake."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest
from cuda_stand_in import CudaStandIn, is_stopped
from family import bare_environment
from waiting import eventually

from nvinx.runs import read as recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

BENCH = "hardware: {cpu_cores: 4, ram_gb: 8, vram_gb: 4, simulated: true}\n"
SNAKEFILE = """
rule all:
    input: "long.txt", "urgent.txt"


rule long:
    output: "long.txt"
    resources: gpu=1, runtime=1000, preemptible="suspend"
    shell:
        \"\"\"
        echo "RUNNING 4000" > $STAND_IN_CUDA/$$
        echo $$ >> pids
        while test ! -e {until} || ! grep -q RUNNING $STAND_IN_CUDA/$$; do sleep 0.02; done
        rm $STAND_IN_CUDA/$$
        touch {{output}}
        \"\"\"


rule first:
    output: "first.txt"
    shell: "while test ! -e pids; do sleep 0.02; done; touch {{output}}"


rule urgent:
    input: "first.txt"
    output: "urgent.txt"
    priority: 20
    resources: gpu=1, runtime=1
    shell: "{urgent}"
"""
LOOKS = "cut -d' ' -f3 /proc/$(cat pids)/stat > {output}; cp $STAND_IN_CUDA/calls before"


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    made.write("nvinx.yaml", BENCH)
    return made


@pytest.fixture
def cuda(workspace: Workspace) -> CudaStandIn:
    made = CudaStandIn(workspace.root / "cuda")
    made.folder.mkdir()
    theirs = made.environ()
    own = bare_environment(workspace.home, workspace.state_dir)["PYTHONPATH"]
    paths = [*theirs["PYTHONPATH"].split(os.pathsep)[:1], own]
    workspace.environ |= theirs | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return made


def _write(workspace: Workspace, *, until: str = "urgent.txt", urgent: str = LOOKS) -> None:
    workspace.write("Snakefile", SNAKEFILE.format(until=until, urgent=urgent))


def test_it_stands_still_off_the_card_and_goes_on(workspace: Workspace, cuda: CudaStandIn) -> None:
    _write(workspace)
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status == 0, outcome.text
    assert workspace.read("urgent.txt") == "T\n"
    assert workspace.read("before").split() == ["lock", "checkpoint"]
    assert cuda.calls() == ["lock", "checkpoint", "restore", "unlock"]
    assert len(workspace.read("pids").split()) == 1
    assert not cuda.is_overbooked
    assert "long is suspended (experimental), to give up its card to urgent" in outcome.text
    assert "long has its card again, and goes on" in outcome.text
    run = recorded.last(workspace.work)
    (long,) = (job for job in run.jobs.values() if job.name == "long")
    assert (long.ok, len(long.off_card)) == (True, 1)
    assert long.end_words.startswith("suspended for ")
    assert long.end_words.endswith(", for urgent")
    assert ", and was suspended for " in workspace.nvinx("explain", "long").stdout


def test_without_the_run_s_own_word_nobody_is_suspended(
    workspace: Workspace, cuda: CudaStandIn
) -> None:
    _write(workspace, until="first.txt", urgent="touch {output}")
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text
    assert cuda.calls() == []


def test_where_the_driver_refuses_it_keeps_its_card(
    workspace: Workspace, cuda: CudaStandIn
) -> None:
    cuda.let("refuses", "checkpoint")
    _write(workspace, until="$(dirname $STAND_IN_CUDA)/told", urgent="touch {output}")
    process = workspace.start("--nvinx-preempt", "20")
    assert eventually((workspace.state_dir / "not-suspended.jsonl").exists)
    (workspace.root / "told").touch()
    text = workspace.wait(process)
    assert process.returncode == 0, text
    assert "long cannot be suspended" in text
    assert "so it keeps its card; no job of long is suspended again" in text
    assert cuda.calls()[-1] == "unlock"


def test_one_that_cannot_come_back_begins_anew(workspace: Workspace, cuda: CudaStandIn) -> None:
    cuda.let("refuses", "restore")
    _write(workspace)
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status == 0, outcome.text
    assert len(workspace.read("pids").split()) == 2
    assert "so it begins anew" in outcome.text


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_its_suspended_jobs(
    workspace: Workspace, cuda: CudaStandIn, sign: signal.Signals
) -> None:
    _write(workspace, urgent="touch there; while :; do sleep 0.05; done")
    process = workspace.start("--nvinx-preempt", "20")
    assert eventually(workspace.path("there").exists)
    pid = int(workspace.read("pids"))
    assert is_stopped(pid)
    process.send_signal(sign)
    text = workspace.wait(process)
    assert process.returncode != 0, text
    assert eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    assert "restore" not in cuda.calls()


def test_a_failure_elsewhere_lets_a_suspended_job_go_on_to_its_end(
    workspace: Workspace, cuda: CudaStandIn
) -> None:
    _write(workspace, until="failed", urgent="touch failed; exit 1")
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status != 0
    assert cuda.calls() == ["lock", "checkpoint", "restore", "unlock"]
    assert workspace.path("long.txt").exists()


def test_a_machine_that_cannot_says_so_and_the_job_keeps_its_card(workspace: Workspace) -> None:
    workspace.environ["STAND_IN_CUDA"] = str(workspace.root)
    _write(workspace, until="first.txt", urgent="touch {output}")
    workspace.write("cuda/bindings/__init__.py", "")
    own = bare_environment(workspace.home, workspace.state_dir)["PYTHONPATH"]
    workspace.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(workspace.work), own]))
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status == 0, outcome.text
    assert "rule long: preemptible='suspend': has no effect here, it keeps its card" in outcome.text
    assert 'Fix: pip install "snakemake-executor-plugin-nvinx[suspend]"' in outcome.text


def test_a_job_that_a_killed_run_left_suspended_goes_on_by_hand(
    workspace: Workspace, cuda: CudaStandIn
) -> None:
    _write(workspace, until="done", urgent="touch there; while test ! -e done; do sleep 0.05; done")
    process = workspace.start("--nvinx-preempt", "20")
    assert eventually(workspace.path("there").exists)
    pid = int(workspace.read("pids"))
    process.kill()
    process.wait()
    status = workspace.nvinx("status").stdout
    assert "Suspended, and off their cards:" in status
    (lease,) = re.findall(r"nvinx resume (\S+) lets it go on", status)
    assert is_stopped(pid)
    workspace.path("done").touch()
    resumed = workspace.nvinx("resume", lease)
    assert resumed.returncode == 0, resumed.stderr
    assert cuda.calls() == ["lock", "checkpoint", "restore", "unlock"]
    assert not cuda.is_overbooked
    assert eventually(lambda: "Nobody waits." in workspace.nvinx("status").stdout)
    assert eventually(workspace.path("long.txt").exists)
