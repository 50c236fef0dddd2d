"""The examples, as a user runs them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import cached_nextflow
import pytest

EXAMPLES = Path(__file__).parents[2] / "example_workflows"
NEEDED = [name for name in ("numpy", "pyrodigal") if not importlib.util.find_spec(name)]


@pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}")
def test_the_twin_of_phage_proteins_places_its_tasks_as_the_snakefile_does(flow):
    """With the first fifth of one genome, as places do not hang on it."""
    phages = shutil.copytree(EXAMPLES / "phage_proteins", flow.folder / "phages")
    shutil.copy(phages / "nvinx.simulated.yaml", flow.folder / "nvinx.yaml")
    genome = phages / "data/lambda.fa"
    genome.write_text("".join(genome.read_text().splitlines(keepends=True)[:160]))
    words = ("--shuffles", "1", "--phages", str(phages))
    done = flow.run(*flow.nextflow(str(EXAMPLES / "phage_proteins_nextflow/main.nf"), *words))
    assert done.returncode == 0, done.stdout
    assert len((flow.folder / "results/agreement.tsv").read_text().splitlines()) == 7
    logs = flow.logs()
    assert "GPU 0 shared" in logs["EMBED_LISTED (1)"]
    assert "EMBED_SPILLED -> GPU 0 + RAM (6.00 GB on a 4.00 GB card)" in logs["EMBED_SPILLED"]
    assert "EMBED_FALLBACK -> CPU (larger than the card)" in logs["EMBED_FALLBACK"]
    assert "ALIGN_ALL -> GPU 0 alone" in logs["ALIGN_ALL"]


@pytest.mark.parametrize(
    ("words", "seen"),
    [(("-profile", "gpu"), "on cuda: gpu_shared 900"), ((), "on cpu: cpu_only ")],
)
def test_an_nf_core_pipeline_is_used_unchanged(flow, words, seen):
    pipeline = EXAMPLES / "nf_core_style"
    flow.configs = (str(pipeline / "sizes.config"), *flow.configs)
    done = flow.run(*flow.nextflow(str(pipeline / "main.nf"), *words))
    assert done.returncode == 0, done.stdout
    results = sorted((flow.folder / "results/embed").iterdir())
    assert [path.read_text().splitlines()[0] for path in results] == [
        f"{path.stem} {seen}" for path in results
    ]


def test_a_pipeline_with_an_accelerator_and_no_label_of_ours_shares_the_card(flow):
    pipeline = EXAMPLES / "basecalling_style"
    flow.environ["PATH"] = f"{cached_nextflow.FOLDER}:{flow.environment()['PATH']}"
    made = flow.run("nvinx", "nextflow", "config", str(pipeline))
    assert made.returncode == 0, made.stdout
    flow.configs = (str(pipeline / "sizes.config"), "nvinx.local.config")
    done = flow.run(*flow.nextflow(str(pipeline / "main.nf")))
    assert done.returncode == 0, done.stdout
    lines = (flow.folder / "results/summary.txt").read_text().splitlines()
    assert sum(line.endswith("on gpu_shared") for line in lines) == 4
    assert lines[-1] == "polished with sup on gpu_exclusive"
