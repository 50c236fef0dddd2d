"""Slurm's tools that are missing, fail, hang or say something else end in one clear error."""

import os
import subprocess
import sys

import pytest

from nvinx.bench.resolve import Bench, ClusterNodes
from nvinx.cli import doctor_checks
from nvinx.errors import SlurmError
from nvinx.slurm import tools as slurm_tools

NODE = "NodeName=n{n} CPUTot=8 Gres=gpu:1,shard:4 RealMemory=8000 State=IDLE"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Puts a program in place of `scontrol`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(script):
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)

    return put


def test_no_slurm_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"^scontrol is not installed here\. Fix: run this where"):
        slurm_tools.nodes()


def test_a_controller_that_refuses(tools):
    tools("echo 'slurm_load_node error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"scontrol failed: slurm_load_node error: Unable"):
        slurm_tools.nodes()


def test_a_controller_that_hangs(tools):
    tools("exec sleep 60")
    with pytest.raises(SlurmError, match=r"scontrol did not answer in 0.2 s"):
        slurm_tools.ask("scontrol", "show", "node", limit_s=0.2)


@pytest.mark.parametrize(
    ("said", "words"), [("hello", "does not understand"), ("", "has no nodes")]
)
def test_words_that_nobody_expects(tools, said, words):
    tools(f"echo {said}")
    with pytest.raises(SlurmError, match=words):
        slurm_tools.nodes()


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("AccountingStorageType   = accounting_storage/none", False),
        ("AccountingStorageType   = (null)", False),
        ("AccountingStorageType   = accounting_storage/slurmdbd", True),
        ("SomethingElse           = 1", False),
    ],
)
def test_whether_sacct_can_know_anything(tools, line, has):
    tools(f"echo '{line}'")
    assert slurm_tools.has_accounting() is has


def bench(*said):
    return Bench(cards=(), cores=1, ram_mib=1, models={}, origins={}, path="nvinx.yaml", cluster=said, cluster_headroom_mib=100)  # fmt: skip


def test_the_bench_file_says_what_the_cards_are(tools):
    tools(
        f"case $2 in node) echo '{NODE.format(n=1)}'; echo '{NODE.format(n=2)}';; *) echo n2;; esac"
    )
    found = slurm_tools.cluster(bench(ClusterNodes("n2", 4.0, "toy")))
    assert [(n.name, n.card_mib, n.card_name) for n in found.nodes] == [("n1", None, None), ("n2", 3714, "toy")]  # fmt: skip


def test_a_node_that_the_cluster_has_not_is_told(tools):
    tools(f"case $2 in node) echo '{NODE.format(n=1)}';; *) echo n7;; esac")
    with pytest.raises(
        SlurmError, match=r"has no node n7, which nvinx.yaml names.*write one of n1"
    ):
        slurm_tools.cluster(bench(ClusterNodes("n7", 4.0)))


def test_a_node_without_a_card_is_told(tools):
    bare = NODE.format(n=1).replace("Gres=gpu:1,shard:4 ", "")
    tools(f"case $2 in node) echo '{bare}';; *) echo n1;; esac")
    with pytest.raises(SlurmError, match=r"counts no GPU on n1, which nvinx.yaml names"):
        slurm_tools.cluster(bench(ClusterNodes("n1", 4.0)))


def test_without_the_slurm_plugin_snakemake_works_and_ours_says_what_to_install(tmp_path):
    (tmp_path / "Snakefile").write_text("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
    program = (
        "import importlib.util as u, sys\n"
        "find = u.find_spec\n"
        "gone = 'snakemake_executor_plugin_slurm'\n"
        "u.find_spec = lambda name, *rest: None if name == gone else find(name, *rest)\n"
        "from snakemake.cli import main; main(sys.argv[1:])\n"
    )

    def run(*words):
        command = [sys.executable, "-c", program, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    refused = run("--executor", "nvinx-slurm", "--jobs", "1")
    assert refused.returncode == 1
    assert "pip install 'snakemake-executor-plugin-nvinx[slurm]'" in refused.stderr
    assert run("--cores", "1").returncode == 0


@pytest.mark.parametrize(
    ("script", "level", "words"),
    [
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "warning", "each start"),
        ("echo 'Could not establish a configuration source' >&2; exit 1", "absent", "no cluster"),
        (f"echo '{NODE.format(n=1)}'", "ok", "1 nodes, 1 GPUs, 4 shards"),
    ],
)
def test_doctor_tells_of_slurm(tools, monkeypatch, script, level, words):
    monkeypatch.setattr(doctor_checks.importlib.util, "find_spec", lambda _: "installed")
    tools(script)
    found = next(
        f for f in doctor_checks.findings(None, None, dict(os.environ)) if f.what == "Slurm"
    )
    assert found.level.value == level
    assert words in found.found.lower() or words in found.found
