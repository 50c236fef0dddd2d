"""What people type beside `snakemake`, on a real Slurm: a draft of its cards, and a profile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from aside import WITH_PLUGIN
from family import environment

from nvinx.bench import parse as bench_parser

BENCH = "hardware: {vram_gb: 0}\nheadroom_gb: 0\ncluster: [{nodes: 'node[1-2]', vram_gb: 4.0}]\n"
RULES = """
rule all:
    input: expand("s{n}", n=[1, 2]), "w", "c"
rule small:
    output: "s{n}"
    resources: vram_mb=lambda w: 900 * int(w.n)
    shell: "touch {output}"
rule whole:
    output: "w"
    resources: gpu=1
    shell: "touch {output}"
rule cpu:
    output: "c"
    shell: "touch {output}"
"""


@pytest.fixture
def ask(cluster, tmp_path):
    """Runs a command of ours, or Snakemake, where this Slurm's tools are on the PATH."""
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    (tmp_path / "Snakefile").write_text(RULES)
    (tmp_path / "bin").mkdir()

    def run(*words, program="from nvinx.cli import main; main()"):
        environ = {**environment(), **cluster.environment, **WITH_PLUGIN}
        environ["NVINX_STATE_DIR"] = str(tmp_path / "s")
        path = [str(tmp_path / "bin"), str(Path(sys.executable).parent), environ["PATH"]]
        environ["PATH"] = os.pathsep.join(path)
        command = [sys.executable, "-c", program, *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    return run


def test_the_draft_names_the_nodes_and_leaves_the_size_to_be_filled_in(ask, tmp_path):
    done = ask("bench", "--from-slurm")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout) == {"cluster": [{"nodes": "node[1-2]", "vram_gb": 0}]}
    assert "nvidia-smi on node1 says it" in done.stdout
    (tmp_path / "nvinx.yaml").write_text(done.stdout)
    refused = ask("bench")
    assert refused.returncode == 2
    assert "line 4: a card of 0 GB is no card" in refused.stderr


def test_nodes_are_asked_for_the_size_of_their_cards(ask, tmp_path):
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA RTX A1000, 4096'\n")
    tool.chmod(0o755)
    done = ask("bench", "--from-slurm", "--ask-nodes")
    assert done.returncode == 0, done.stderr
    (said,) = bench_parser.parse(done.stdout, "draft").cluster
    assert (said.nodes, said.vram_gb, said.card) == ("node[1-2]", 4.29, "NVIDIA RTX A1000")


def test_a_node_without_nvidia_smi_says_so(ask, tmp_path):
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho 'no driver' >&2; exit 9\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    done = ask("bench", "--from-slurm", "--ask-nodes")
    assert done.returncode == 0, done.stderr
    assert "no driver" in done.stdout


def test_a_profile_has_what_each_rule_asks_for_and_slurm_takes_it(ask, cluster, tmp_path):
    done = ask("slurm-profile", "-o", "profile")
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load((tmp_path / "profile" / "config.yaml").read_text())
    assert written == {
        "executor": "slurm",
        "set-resources": {
            "small": {"gres": "shard:2", "gpu": 0},
            "whole": {"gres": "shard:4", "gpu": 0},
        },
    }
    polls = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
    ran = ask("--profile", "profile", "--jobs", "2", *polls, "w", program="from snakemake.cli import main; main()")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert [job.tres for job in cluster.squeue() if job.comment == "rule_whole"] == ["gres:shard:4"]
    again = ask("slurm-profile", "-o", "profile")
    assert again.returncode == 2
    assert "the file is there already" in again.stderr


def test_a_profile_of_a_wrong_rule_is_not_written(ask, tmp_path):
    (tmp_path / "Snakefile").write_text(RULES.replace("900", "9000"))
    done = ask("slurm-profile", "-o", "profile")
    assert done.returncode != 0
    assert "the largest card has 4.00 GB" in " ".join(done.stderr.split())
    assert not (tmp_path / "profile").exists()


def test_doctor_looks_at_slurm(ask, cluster):
    done = ask("doctor")
    assert "Slurm: 2 nodes, 2 GPUs, 8 shards" in done.stdout
