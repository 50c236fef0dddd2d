"""`--executor nvinx-slurm` on a real Slurm: placements, limits, failures, and their words."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aside import WITH_PLUGIN
from cluster import Cluster
from family import Family, environment
from slurm_conf import Node
from waiting import GIVE_UP_S, eventually
from watch import Watch

BENCH = """
hardware: {vram_gb: 0}
headroom_gb: 0
cluster:
  - {nodes: "node[1-2]", vram_gb: 4.0, card: toy}
"""
OOM = "echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 1"


@dataclass
class Workflow:
    """A folder with a Snakefile that runs on a cluster."""

    folder: Path
    cluster: Cluster
    tools: Path | None = None
    family: Family = field(default_factory=Family)

    def start(self, snakefile, *words):
        (self.folder / "Snakefile").write_text(snakefile)
        bench = self.folder / "nvinx.yaml"
        if not bench.exists():
            bench.write_text(BENCH)
        command = [sys.executable, "-m", "snakemake", "--executor", "nvinx-slurm", "--jobs", "20"]
        command += ["--nvinx-slurm-poll-seconds", "1", *words]
        environ = {
            **environment(),
            **self.cluster.environment,
            **WITH_PLUGIN,
            "NVINX_STATE_DIR": str(self.folder / "state"),
        }
        path = [str(Path(sys.executable).parent), environ["PATH"]]
        path = path if self.tools is None else [str(self.tools), *path]
        environ["PATH"] = os.pathsep.join(path)
        words = [*command, "--nvinx-slurm-node-state-dir", self.folder / "node-state"]
        return self.family.start(words, self.folder, environ)

    def running(self):
        """A job of it that runs, of which there is one at most here; None where none does."""
        jobs = (job for job in self.cluster.squeue() if job.state == "RUNNING")
        return next((job for job in jobs if self.cluster.runs(job.id)), None)

    def run(self, snakefile, *words):
        process = self.start(snakefile, *words)
        text = process.communicate(timeout=GIVE_UP_S)[0]
        return process.returncode, text

    def asked(self):
        """What each job of this cluster asked for, by its rule."""
        return {job.comment.split("_wildcards")[0].removeprefix("rule_"): job.tres for job in self.cluster.squeue()}  # fmt: skip

    def read(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def workflow(tmp_path, cluster):
    made = Workflow(tmp_path, cluster)
    yield made
    made.family.close()


def test_hints_become_shards_and_the_environment_of_a_bench(workflow):
    old = workflow.folder / ".nvinx" / "slurm" / "of-a-killed-run"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    status, text = workflow.run(
        "rule all:\n    input: 'small', 'whole', 'cpu', 'fallback'\n"
        "rule small:\n    output: 'small'\n    resources: vram_mb=1000\n    shell: 'env > {output}'\n"
        "rule whole:\n    output: 'whole'\n    resources: gpu=1\n    shell: 'env > {output}'\n"
        "rule cpu:\n    output: 'cpu'\n    shell: 'env > {output}'\n"
        "rule fallback:\n    output: 'fallback'\n    resources: vram_mb=9000, cpu_fallback=1\n"
        "    shell: 'env > {output}'\n"
    )
    assert status == 0, text
    asked = workflow.asked()
    assert (asked["small"], asked["whole"]) == ("gres:shard:1", "gres:shard:4")
    assert (asked["cpu"], asked["fallback"]) == ("", "")

    def seen(name):
        lines = (line.split("=", 1) for line in workflow.read(name).splitlines() if "=" in line)
        found = dict(lines)
        return [found.get(key) for key in ("NVINX_PLACEMENT", "NVINX_VRAM_MB", "CUDA_VISIBLE_DEVICES")]  # fmt: skip

    assert seen("small") == ["gpu_shared", "1000", "0"]
    assert seen("whole") == ["gpu_exclusive", "3999", "0"]
    assert seen("cpu") == seen("fallback") == ["cpu_only", "", ""]
    assert "nvinx: 2 nodes, 2 GPUs" in text
    assert list((workflow.folder / ".nvinx" / "slurm").iterdir()) == []


def test_shared_jobs_never_exceed_a_card_and_an_exclusive_one_is_alone(workflow):
    with Watch(workflow.cluster, pause_s=0.2) as watch:
        status, text = workflow.run(
            "rule all:\n    input: expand('s{n}', n=range(6)), expand('w{n}', n=range(2))\n"
            "rule small:\n    output: 's{n}'\n    resources: vram_mb=1900\n"
            "    shell: 'sleep 1; touch {output}'\n"
            "rule whole:\n    output: 'w{n}'\n    resources: gpu=1\n"
            "    shell: 'sleep 1; touch {output}'\n"
        )
    assert status == 0, text
    assert watch.samples > 5
    assert (watch.over, watch.beside) == (0, 0)


def test_a_job_that_runs_out_of_memory_asks_for_more(workflow):
    status, text = workflow.run(
        "rule a:\n    output: 'a'\n    resources: vram_mb=900\n"
        f"    shell: '''[ $NVINX_VRAM_MB -gt 1000 ] || {{{{ touch {{output}}; {OOM}; }}}}; echo $NVINX_VRAM_MB > {{output}}'''\n"
    )  # fmt: skip
    assert status == 0, text
    assert int(workflow.read("a")) in range(1340, 1360)
    assert "ran out of GPU memory" in text
    assert sorted(job.tres for job in workflow.cluster.squeue() if job.comment == "rule_a")[
        -2:
    ] == [
        "gres:shard:1",
        "gres:shard:2",
    ]


def test_a_rule_is_tried_as_often_as_it_says_and_each_time_with_more(workflow):
    status, text = workflow.run(
        "rule a:\n    output: 'a'\n    retries: 2\n"
        "    resources: vram_mb=lambda wildcards, attempt: 900 * attempt\n"
        "    shell: 'echo $NVINX_VRAM_MB >> tried; exit 1'\n"
    )
    assert status == 1, text
    assert workflow.read("tried").split() == ["900", "1800", "2700"]


def test_jobs_that_slow_each_other_down_are_kept_on_nodes_of_their_own(workflow):
    (workflow.folder / "nvinx.yaml").write_text(
        BENCH + "interference: {pairs: [{a: hot, b: cold, slowdown_a: 3.0, slowdown_b: 3.0}, "
        "{a: hot, b: hot, slowdown_a: 1.1}, {a: cold, b: cold, slowdown_a: 1.1}]}\n"
        "models: [{name: hot, vram_gb: 0.9, residency: gpu_shared}, {name: cold, vram_gb: 0.9, residency: gpu_shared}]\n"
    )
    rules = "rule all:\n    input: expand('{k}{n}', k=['hot', 'cold'], n=range(3))\n"
    for kind in ("hot", "cold"):
        rules += (
            f"rule {kind}:\n    output: '{kind}{{n}}'\n    resources: model='{kind}'\n"
            "    shell: 'sleep 1; echo $SLURMD_NODENAME > {output}'\n"
        )
    status, text = workflow.run(rules)
    assert status == 0, text
    where = {kind: {workflow.read(f"{kind}{n}") for n in range(3)} for kind in ("hot", "cold")}
    assert not where["hot"] & where["cold"]


def test_on_one_node_who_must_not_meet_others_is_held_back(short_path, tmp_path):
    bench = BENCH.replace("node[1-2]", "node1")
    bench += "interference: {pairs: [{a: hot, b: cold, slowdown_a: 3.0, slowdown_b: 3.0}]}\n"
    (tmp_path / "nvinx.yaml").write_text(bench)
    with Cluster(short_path / "slurm", (Node("node1"),)) as alone:
        made = Workflow(tmp_path, alone)
        status, text = made.run(
            "rule all:\n    input: 'hot', 'cold'\n"
            "rule small:\n    output: '{kind,hot|cold}'\n"
            "    resources: vram_mb=900, model=lambda w: w.kind\n"
            "    shell: 'mkdir there && sleep 2 && rmdir there && touch {output}'\n"
        )
        made.family.close()
    assert status == 0, text


def test_a_status_that_slurm_does_not_know_is_no_success(workflow):
    tools = workflow.folder / "tools"
    tools.mkdir()
    real = Path(workflow.cluster.environment["PATH"].partition(os.pathsep)[0]) / "squeue"
    tools.joinpath("squeue").write_text(f"#!/bin/sh\n{real} \"$@\" | sed 's/RUNNING/UNKNOWN/'\n")
    tools.joinpath("squeue").chmod(0o755)
    workflow.tools = tools
    status, text = workflow.run(
        "rule all:\n    input: 'b'\n"
        "rule a:\n    output: 'a'\n    resources: vram_mb=900\n    shell: 'sleep 4; touch a'\n"
        "rule b:\n    input: 'a'\n    output: 'b'\n    localrule: True\n    shell: 'touch b'\n"
    )
    assert status == 0, text


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [("touch a", 0, "1 of 1 steps"), ("exit 1", 1, "no more, and it failed")],
)
def test_a_job_whose_end_slurm_never_told_is_over_as_its_node_said(
    workflow, command, status, words
):
    told = '{tool} "$@" | grep -v -e COMPLETED -e FAILED; true'
    workflow.tools = replaced(workflow.folder, "squeue", told)
    found, text = workflow.run(
        f"rule a:\n    output: 'a'\n    resources: vram_mb=900\n    shell: '{command}'\n"
    )
    assert found == status, text
    assert words in text


def test_jobs_of_a_killed_run_are_not_joined_by_others_that_write_the_same(workflow):
    process = workflow.start(LONG)
    job = eventually(workflow.running)
    process.kill()
    process.communicate()
    workflow.run(LONG, "--unlock")
    status, text = workflow.run(LONG, "--rerun-incomplete")
    assert status == 1
    told = f"1 job of a run that was killed here, and .*`scancel --name={job.name}`"
    assert re.search(told, " ".join(text.split())), text
    workflow.cluster.run("scancel", f"--name={job.name}")
    assert is_cancelled(workflow.cluster, job.id)
    quick = LONG.replace("sleep 3600; ", "")
    status, text = workflow.run(quick, "--rerun-incomplete")
    assert status == 0, text


def test_what_no_node_can_hold_is_refused_before_anything_is_submitted(workflow):
    before = len(workflow.cluster.squeue())
    status, text = workflow.run(
        "rule all:\n    input: 'a', 'b', 'c'\n"
        "rule a:\n    output: 'a'\n    shell: 'touch a'\n"
        "rule b:\n    output: 'b'\n    input: 'a'\n    resources: vram_mb=9000\n    shell: 'touch b'\n"
        "rule c:\n    output: 'c'\n    threads: 99\n    shell: 'touch c'\n"
    )
    assert status == 1
    assert "rule b: needs 9.00 GB, the largest card has 4.00 GB" in " ".join(text.split())
    assert "rule c: needs 99 cores" in " ".join(text.split())
    assert len(workflow.cluster.squeue()) == before


def test_nodes_that_a_rule_excludes_stay_excluded_beside_those_that_nvinx_does(workflow):
    (workflow.folder / "nvinx.yaml").write_text(
        BENCH.replace("node[1-2]", "node2") + "  - {nodes: node1, vram_gb: 8.0, card: large}\n"
    )
    status, text = workflow.run(
        "rule a:\n    output: 'a'\n    resources: vram_mb=2000, slurm_extra='--exclude=node1'\n"
        f"    shell: '''[ $NVINX_VRAM_MB -gt 2500 ] || {{{{ {OOM}; }}}}; echo $SLURMD_NODENAME > a'''\n"
    )
    assert status == 0, text
    assert workflow.read("a") == "node2\n"
    status, text = workflow.run(
        "rule b:\n    output: 'b'\n    resources: vram_mb=5000, slurm_extra='--exclude=node1'\n    shell: 'touch b'\n"
    )
    assert status == 1
    assert (
        "rule b: needs 5.00 GB, the largest card on a node of partition all (the default) that"
        in text
    )


def test_a_partition_without_cards_is_told_before_anything_is_submitted(short_path, tmp_path):
    nodes = (Node("node1"), Node("node2"), Node("cpu1", cards=0))
    more = ("PartitionName=cpu Nodes=cpu1", "PartitionName=gpu Nodes=node[1-2]")
    rule = "rule a:\n    output: 'a'\n    resources: vram_mb=900\n    shell: 'touch a'\n"
    with Cluster(short_path / "slurm", nodes, more=more) as alone:
        made = Workflow(tmp_path, alone)
        for partition, words in (
            ("cpu", "no node of partition cpu has one. Fix: let it use nodes with cards"),
            ("gpus", "Slurm has no such partition. Fix: write one of all, cpu, gpu"),
        ):
            status, text = made.run(rule, "--default-resources", f"slurm_partition={partition}")
            assert status == 1
            assert words in " ".join(text.split())
        assert not alone.squeue()
        status, text = made.run(rule, "--default-resources", "slurm_partition=gpu")
        made.family.close()
    assert status == 0, text


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ("vram_mb=900, gres='gpu:1'", "contradicts vram_mb: nvinx works out what to ask Slurm for"),
        ("gpu=1, slurm_extra='-G 1'", "contradicts gpu: nvinx works out what to ask Slurm for"),
        ("vram_mb='lots'", "must be a number of MB"),
        ("vram_mp=900", "write vram_mb=900"),
    ],
)
def test_a_wrong_hint_is_told_with_its_fix(workflow, resources, words):
    status, text = workflow.run(f"rule a:\n    output: 'a'\n    resources: {resources}\n    shell: 'touch a'\n")  # fmt: skip
    assert status == 1
    assert words in " ".join(text.split())


def test_a_job_that_would_need_more_than_its_nodes_have_fails_with_the_reason(short_path, tmp_path):
    nodes = (Node("node1"), Node("node2", cpus=2))
    (tmp_path / "nvinx.yaml").write_text(
        BENCH.replace("node[1-2]", "node1") + "  - {nodes: node2, vram_gb: 8.0, card: large}\n"
    )
    with Cluster(short_path / "slurm", nodes) as alone:
        made = Workflow(tmp_path, alone)
        status, text = made.run(
            "rule all:\n    input: 'a', 'other'\n"
            "rule a:\n    output: 'a'\n    threads: 4\n    resources: vram_mb=3500\n"
            f"    shell: '''{OOM}'''\n"
            "rule other:\n    output: 'other'\n"
            f"    shell: '{until_told('Error in rule a')}; touch other'\n"
        )
        made.family.close()
    assert status == 1
    assert "rule a: needs 5.25 GB, the largest card has 4.00 GB" in text
    assert (tmp_path / "other").exists(), text


@pytest.mark.parametrize("words", ["gres='gpu:1'", "slurm_extra='--gpus-per-node=1'"])
def test_a_rule_that_speaks_slurms_own_words_is_left_as_it_is(workflow, words):
    status, text = workflow.run(
        f"rule a:\n    output: 'a'\n    resources: {words}\n    shell: 'echo $CUDA_VISIBLE_DEVICES > a'\n"
    )
    assert status == 0, text
    assert workflow.read("a") == "0\n"


def test_a_bench_file_that_names_no_node_of_the_cluster_is_told(workflow):
    (workflow.folder / "nvinx.yaml").write_text("cluster: [{nodes: 'gpu[01-04]', vram_gb: 4}]\n")
    status, text = workflow.run("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
    assert status == 1
    assert "Slurm has no node gpu01, which" in text


LONG = "rule a:\n    output: 'a'\n    resources: vram_mb=900\n    shell: 'sleep 3600; touch a'\n"


def is_cancelled(cluster, number):
    eventually(lambda: cluster.job(number).state != "COMPLETING")
    return cluster.job(number).state.startswith("CANCELLED")


def test_ctrl_c_cancels_what_runs(workflow):
    process = workflow.start(LONG)
    job = eventually(workflow.running)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=GIVE_UP_S)

    assert is_cancelled(workflow.cluster, job.id)


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param("sbatch", id="while a job is submitted"),
        pytest.param("squeue", id="while the states are asked for"),
    ],
)
def test_ctrl_c_cancels_also_what_snakemake_has_not_heard_of(workflow, tool):
    workflow.tools = slow(workflow.folder, tool)
    process = workflow.start(LONG)
    assert eventually((workflow.folder / "asked").exists)
    job = eventually(workflow.running)
    process.send_signal(signal.SIGINT)
    assert any("Terminating" in line for line in process.stdout)
    (workflow.folder / "go").touch()
    process.communicate(timeout=GIVE_UP_S)

    assert is_cancelled(workflow.cluster, job.id)


def test_ctrl_c_once_more_does_not_keep_jobs_from_being_cancelled(workflow):
    workflow.tools = replaced(workflow.folder, "scancel", '{wait}; exec {tool} "$@"')
    process = workflow.start(LONG)
    job = eventually(workflow.running)
    os.killpg(process.pid, signal.SIGINT)
    assert eventually((workflow.folder / "asked").exists)
    os.killpg(process.pid, signal.SIGINT)
    (workflow.folder / "go").touch()
    text = process.communicate(timeout=GIVE_UP_S)[0]

    assert is_cancelled(workflow.cluster, job.id)
    assert "Ctrl-C has to wait" in text


def test_a_run_that_ends_with_an_error_leaves_no_job_to_slurm(workflow):
    process = workflow.start(
        "import pathlib, threading, time\n"
        "def fail():\n"
        "    while not pathlib.Path('break').exists():\n"
        "        time.sleep(0.05)\n"
        "    workflow.scheduler.executor_error_callback(ValueError('broken'))\n"
        f"onstart:\n    threading.Thread(target=fail, daemon=True).start()\n{LONG}"
    )
    job = eventually(workflow.running)
    (workflow.folder / "break").touch()
    text = process.communicate(timeout=GIVE_UP_S)[0]

    assert process.returncode == 1, text
    assert "broken" in text
    assert is_cancelled(workflow.cluster, job.id)


def test_a_job_that_turns_out_to_fit_no_node_fails_and_the_others_end(workflow):
    status, text = workflow.run(
        "rule all:\n    input: 'other', 'last'\n"
        "checkpoint first:\n    output: 'first'\n    shell: 'touch first'\n"
        "def big(wildcards):\n    checkpoints.first.get()\n    return 'big'\n"
        "rule big:\n    output: 'big'\n    resources: vram_mb=99000\n    shell: 'touch big'\n"
        "rule last:\n    input: big\n    output: 'last'\n    shell: 'touch last'\n"
        "rule other:\n    output: 'other'\n    resources: vram_mb=900\n"
        f"    shell: '{until_told('nvinx cannot start it')}; touch other'\n"
    )
    assert status == 1
    assert "rule big: needs 99.00 GB, the largest card has 4.00 GB" in text
    assert (workflow.folder / "other").exists(), text


def until_told(words):
    """Shell that waits until Snakemake has logged them."""
    return f'until grep -q "{words}" .snakemake/log/*; do sleep 0.1; done'


def test_a_group_that_cannot_be_submitted_fails_with_the_reason(workflow):
    of_slurm = "slurm_extra='--comment=mine'"
    status, text = workflow.run(
        "rule all:\n    input: 'b'\n"
        f"rule a:\n    output: 'a'\n    group: 'g'\n    resources: {of_slurm}\n    shell: 'touch a'\n"
        f"rule b:\n    input: 'a'\n    output: 'b'\n    group: 'g'\n    resources: {of_slurm}\n    shell: 'touch b'\n"
    )
    assert status == 1
    assert "The --job-comment option is not allowed in the 'slurm_extra' parameter" in text


def test_a_folder_that_cannot_be_written_to_is_told_at_the_start(workflow):
    (workflow.folder / ".nvinx").touch()
    status, text = workflow.run("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
    assert status == 1
    assert f"state folder {workflow.folder}/.nvinx/slurm: cannot be written to" in text
    assert "Traceback" not in text


def slow(folder, tool):
    """A folder for PATH with a tool of Slurm's whose answer comes once there is a file `go`."""
    script = 'answer=$({tool} "$@"); status=$?; {wait}; echo "$answer"; exit $status'
    return replaced(folder, tool, script)


def replaced(folder, tool, script):
    """A folder for PATH with a shell script in place of one of Slurm's tools.

    In it {tool} is the tool itself, and {wait} waits until there is a file `go`.
    """
    asked, go = (shlex.quote(str(folder / name)) for name in ("asked", "go"))
    wait = f"touch {asked}; until [ -e {go} ]; do sleep 0.05; done"
    real = shlex.quote(shutil.which(tool))
    tools = folder / "tools"
    tools.mkdir()
    (tools / tool).write_text(f"#!/bin/sh\n{script.format(tool=real, wait=wait)}\n")
    (tools / tool).chmod(0o755)
    return tools


def test_arrays_of_like_jobs_run_and_others_are_refused(workflow):
    rules = (
        "rule all:\n    input: expand('s{n}', n=range(3))\n"
        "rule small:\n    output: 's{n}'\n    resources: vram_mb=SIZE\n"
        "    shell: 'echo $NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES > {output}'\n"
    )
    a_range = rules.replace("SIZE", "'900-1800'")
    status, text = workflow.run(a_range, "--nvinx-slurm-array-jobs", "small")
    assert status == 0, text
    told = "rule small asks for 0.90 GB to 1.80 GB of VRAM; under Slurm its jobs get 0.90 GB"
    assert text.count(told) == 1, text
    assert {workflow.read(f"s{n}") for n in range(3)} == {"gpu_shared 0\n"}
    for n in range(3):
        (workflow.folder / f"s{n}").unlink()
    mixed = rules.replace("SIZE", "lambda w: 900 * (1 + int(w.n))")
    status, text = workflow.run(mixed, "--nvinx-slurm-array-jobs", "all")
    assert status == 1
    assert "rule small: cannot be an array: its jobs ask for different amounts" in text
    status, text = workflow.run(a_range, "--resources", "vram_mb=1000")
    assert status == 1
    assert "rule small: vram_mb: is a text or a range, which --resources vram_mb=1000" in text


def test_a_group_is_one_job(workflow):
    status, text = workflow.run(
        "rule all:\n    input: 'b'\n"
        "rule a:\n    output: 'a'\n    group: 'g'\n    resources: vram_mb=900\n    shell: 'touch a'\n"
        "rule b:\n    input: 'a'\n    output: 'b'\n    group: 'g'\n    shell: 'echo $NVINX_PLACEMENT > b'\n"
    )
    assert status == 0, text
    assert workflow.read("b") == "gpu_shared\n"


def test_what_jobs_took_is_remembered(workflow):
    rules = "rule a:\n    output: 'a'\n    resources: vram_mb=900\n    shell: 'touch a'\n"
    status, text = workflow.run(rules)
    assert status == 0, text
    from nvinx.history.store import SqliteHistory

    (run,) = SqliteHistory(workflow.folder / "state" / "history.db").runs(["toy"])
    assert (run.name, run.card, run.declared_mib) == ("a", "toy", 858)


def test_a_controller_that_is_away_for_a_while_loses_no_job(workflow):
    process = workflow.start(
        "rule all:\n    input: 'b'\n"
        "rule a:\n    output: 'a'\n    resources: vram_mb=900\n"
        "    shell: 'until [ -e go ]; do sleep 0.1; done; touch a'\n"
        "rule b:\n    input: 'a'\n    output: 'b'\n    shell: 'touch b'\n"
    )
    job = eventually(workflow.running)
    workflow.cluster.controller_stop()
    time.sleep(5)
    (workflow.folder / "go").touch()
    assert eventually(lambda: not workflow.cluster.runs(job.id))
    workflow.cluster.controller_start()
    text = process.communicate(timeout=GIVE_UP_S)[0]
    assert process.returncode == 0, text


def test_slurm_that_does_not_answer_is_told_at_once(short_path, tmp_path):
    with Cluster(short_path / "slurm") as alone:
        made = Workflow(tmp_path, alone)
        alone.controller_stop()
        status, text = made.run("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
        made.family.close()
    assert status == 1
    assert "scontrol failed" in text
    assert "Fix: try `scontrol ping`" in text


def test_without_shards_jobs_get_whole_cards_and_it_is_said_once(short_path, tmp_path):
    nodes = (Node("node1", shards=0), Node("node2", shards=0))
    with Cluster(short_path / "slurm", nodes) as alone:
        made = Workflow(tmp_path, alone)
        status, text = made.run(
            "rule all:\n    input: expand('s{n}', n=range(2))\n"
            "rule small:\n    output: 's{n}'\n    resources: vram_mb=900\n"
            "    shell: 'echo $NVINX_PLACEMENT > {output}'\n"
        )
        made.family.close()
    assert status == 0, text
    assert text.count("this Slurm has no shards") == 1
    assert made.read("s0") == "gpu_exclusive\n"


def test_a_node_that_goes_down_is_told_and_the_job_can_be_tried_again(short_path, tmp_path):
    with Cluster(short_path / "slurm") as alone:
        made = Workflow(tmp_path, alone)
        process = made.start(
            "rule a:\n    output: 'a'\n    retries: 1\n    resources: vram_mb=900\n"
            "    shell: 'echo $SLURMD_NODENAME > a.{resources.vram_mb}; [ -e again ] || sleep 3600; cp a.900 a'\n",
            "--nvinx-slurm-no-requeue",
        )
        first = tmp_path / "a.900"
        assert eventually(lambda: first.exists() and first.read_text())
        (tmp_path / "again").touch()
        node = made.read("a.900").strip()
        alone.down(node)
        text = process.communicate(timeout=GIVE_UP_S)[0]
        made.family.close()
    assert process.returncode == 0, text
    assert "node failure" in text
    assert made.read("a").strip() != node


def test_a_wrong_default_is_told_once_for_all_rules(workflow):
    rules = "rule all:\n    input: 'a', 'b'\n"
    rules += "".join(f"rule {n}:\n    output: '{n}'\n    shell: 'touch {n}'\n" for n in "ab")
    status, text = workflow.run(rules, "--default-resources", "vrammb=900")
    assert status == 1
    assert text.count("option --default-resources: vrammb=900") == 1, text
