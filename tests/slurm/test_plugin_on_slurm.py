"""The slurm plugin as it comes, on the tests' Slurm: the ground that `nvinx-slurm` stands on."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("snakemake_executor_plugin_slurm")

SNAKEFILE = """
rule r:
    output: "{name}.txt"
    resources: gres="shard:2", constraint="second", mem_mb=100, runtime=5
    shell: "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES > {output}"
"""


def test_a_rule_that_asks_for_shards_runs_with_them(cluster, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    words = ["--executor", "slurm", "--slurm-status-command", "squeue", "--jobs", "1", "a.txt"]
    words += ["--slurm-init-seconds-before-status-checks", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=tmp_path,
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.txt").read_text() == "node2 0\n"
    job = next(job for job in cluster.squeue() if job.comment == "rule_r_wildcards_a")
    assert (job.tres, job.features, job.state) == ("gres:shard:2", "second", "COMPLETED")
