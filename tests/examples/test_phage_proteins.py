"""The phage example: the workflow as a user runs it, and the parts that its claims rest on."""

import importlib
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import weakref
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from waiting import GIVE_UP_S

import nvinx
from nvinx.catalog import Residency
from nvinx.placement import CurrentPlacement
from nvinx.runs import read as recorded

np = pytest.importorskip("numpy", reason="the example computes with numpy")

EXAMPLE = Path(__file__).parents[2] / "example_workflows" / "phage_proteins"
MODULES = ("align_all", "backend", "encoder", "kmer_window", "sequences", "weights")
NEEDED = [name for name in ("matplotlib", "pyrodigal") if not importlib.util.find_spec(name)]
needs_tools = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}")

NVINX = ("--executor", "nvinx", "--jobs", "100", "--nvinx-bench", "nvinx.simulated.yaml")
PROTEINS = ["MKTAYIAKQRQISFVKSHFSRQ", "MSLNNPWWQA", "M", "MGXB" * 30, "MAVKRLLEEA" * 7]


def copy_example(folder):
    leave = shutil.ignore_patterns("results", "logs", ".snakemake", ".nvinx", "__pycache__")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=leave)


def with_a_shorter_genome(folder):
    """The example in `folder`, with the first fifth of lambda, which has a dozen proteins."""
    copy_example(folder)
    genome = folder / "data/lambda.fa"
    genome.write_text("".join(genome.read_text().splitlines(keepends=True)[:160]))
    return folder


def run_workflow(folder, *arguments, **environment):
    """Snakemake on a fresh copy of the example in `folder`, two cores, failures shown."""
    if not (folder / "Snakefile").exists():
        copy_example(folder)
    paths = [str(Path(nvinx.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    search = os.pathsep.join(filter(None, paths))
    ended = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search, **environment},
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.fixture(scope="module")
def scripts():
    """The example's modules, imported as its jobs import them, and forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE / "scripts")
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in MODULES:
        sys.modules.pop(name, None)


def flat(value, path=""):
    """The leaves of nested dicts and lists, by path."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key in value for k, v in flat(value[key], f"{path}/{key}").items()}


def small(scripts, name, backend, budget=None):
    encoder = scripts.encoder.ENCODERS[name]
    groups = scripts.encoder.random_weights(encoder)
    return encoder, scripts.weights.Weights(backend, groups, budget)


def numpy_backend(scripts):
    return scripts.backend.Backend(np, "cpu")


def demand_promised_numbers(folder):
    found = flat(json.loads((folder / "results/summary.json").read_text()))
    promised = flat(json.loads((EXAMPLE / "expected/summary.json").read_text()))

    assert found.keys() == promised.keys()
    texts = {key for key, value in promised.items() if isinstance(value, str)}
    assert {k: found[k] for k in texts} == {k: promised[k] for k in texts}
    numbers = promised.keys() - texts
    assert {k: found[k] for k in numbers} == pytest.approx(
        {k: promised[k] for k in numbers}, rel=2e-3, abs=2e-4
    )


def demand_finite_embeddings_of_each_protein(folder):
    for path in sorted((folder / "results/embeddings").glob("*.npz")):
        with np.load(path) as arrays:
            assert len(arrays["proteins"]) == len(set(arrays["proteins"])) == 69
            assert len(arrays["vectors"]) == 69
            assert np.isfinite(arrays["vectors"]).all()


def demand_every_encoder_and_the_picture_in_the_report(folder):
    report = (folder / "results/report.md").read_text()

    for path in (folder / "results/embeddings").glob("*.json"):
        assert f"| {path.stem} |" in report
    assert "(phage_proteins.png)" in report
    assert "| CTAG | 13 |" in report


def demand_picture_at_full_size(folder):
    data = (folder / "results/phage_proteins.png").read_bytes()

    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (1440, 900)
    assert len(data) > 50_000


def demand_placements_that_hints_say(folder):
    jobs = recorded.last(folder).jobs.values()
    where = {job.name: job.where for job in jobs if job.where != "CPU"}
    assert where == {
        "embed_listed[motif_conv]": "GPU 0 shared",
        "embed_listed[residue_conv]": "GPU 0 shared",
        "embed_sized[attention_narrow]": "GPU 0 shared",
        "embed_sized[attention_wide]": "GPU 0 shared",
        "embed_spilled": "GPU 0 + RAM",
        "align_all": "GPU 0 alone",
    }
    assert all(job.ok for job in jobs)


@needs_tools
def test_the_workflow_finds_what_it_promises_where_its_hints_say(tmp_path):
    """One test, as the whole workflow takes a minute of CPU."""
    run_workflow(tmp_path / "phage", *NVINX, NVINX_STATE_DIR=str(tmp_path / "state"))
    demand_promised_numbers(tmp_path / "phage")
    demand_finite_embeddings_of_each_protein(tmp_path / "phage")
    demand_every_encoder_and_the_picture_in_the_report(tmp_path / "phage")
    demand_picture_at_full_size(tmp_path / "phage")
    demand_placements_that_hints_say(tmp_path / "phage")


@needs_tools
def test_any_other_executor_takes_the_hints_as_plain_resources(tmp_path):
    """Each kind of rule that runs quickly, and the rest planned."""
    kinds = ["motif_conv", "attention_narrow"]
    targets = [f"results/embeddings/{encoder}.npz" for encoder in kinds]
    run_workflow(with_a_shorter_genome(tmp_path), *targets)
    assert all((tmp_path / target).exists() for target in targets)
    assert not (tmp_path / ".nvinx").exists()
    planned = run_workflow(tmp_path, "--dry-run").stdout
    assert "rule embed_spilled" in planned


@needs_tools
def test_a_job_that_spills_reports_the_layers_that_it_streamed(tmp_path):
    placed = {
        "NVINX_JOB": "example",
        "NVINX_PLACEMENT": "gpu_ram_overflow",
        "NVINX_MAX_MEMORY": '{"0": 4000000000, "cpu": 4000000000}',
        "NVINX_SIMULATED": "1",
    }
    wanted = "results/embeddings/attention_large.json"
    run_workflow(with_a_shorter_genome(tmp_path), wanted, **placed)

    facts = json.loads((tmp_path / wanted).read_text())
    assert facts["placement"] == "gpu_ram_overflow"
    assert 0 < facts["layers_on_device"] < facts["layers"]
    assert facts["peak_on_device_mb"] <= facts["weights_mb"] * 4000 / 6000
    assert facts["streamed_mb"] > 0


@needs_tools
def test_a_dry_run_plans_29_jobs(tmp_path):
    planned = run_workflow(tmp_path, "--dry-run", "--quiet", "rules")

    assert ["total", "29"] in [line.split() for line in planned.stdout.splitlines()]


def test_the_linter_asks_only_for_software_environments(tmp_path):
    shutil.copytree(EXAMPLE / "scripts", tmp_path / "scripts")
    shutil.copy(EXAMPLE / "Snakefile", tmp_path)
    linted = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        check=False,
    )

    lines = (linted.stdout + linted.stderr).splitlines()
    found = {line.strip() for line in lines if line.startswith("    * ")}
    assert found == {"* Specify a conda environment or container for each rule.:"}


def test_both_bench_files_name_the_same_models():
    real, declared = (
        yaml.safe_load((EXAMPLE / name).read_text())
        for name in ("nvinx.yaml", "nvinx.simulated.yaml")
    )

    assert real.keys() == {"models"}
    assert declared["models"] == real["models"]
    assert [gpu["simulated"] for gpu in declared["hardware"]["gpus"]] == [True]


@pytest.mark.parametrize("name", ["motif_conv", "attention_narrow"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.25])
def test_layers_streamed_within_a_budget_give_the_resident_result_bit_for_bit(scripts, name, share):
    encoder, resident = small(scripts, name, numpy_backend(scripts))
    budget = int(sum(resident.sizes) * share)
    _, streamed = small(scripts, name, numpy_backend(scripts), budget)

    whole = scripts.encoder.embed(encoder, resident, PROTEINS)
    parts = scripts.encoder.embed(encoder, streamed, PROTEINS)

    assert whole.shape == (len(PROTEINS), encoder.width)
    assert (whole == parts).all()
    assert resident.streamed_bytes == 0
    assert streamed.streamed_bytes > 0


@pytest.mark.parametrize("name", ["motif_conv", "attention_narrow"])
def test_the_device_never_holds_more_weights_than_the_budget(scripts, name, monkeypatch):
    live, most, watching = [0], [0], [True]

    def put(self, array):
        copy = np.array(array)
        if watching[0] and copy.nbytes in weight_sizes:
            live[0] += copy.nbytes
            most[0] = max(most[0], live[0])
            weakref.finalize(copy, lambda size: live.__setitem__(0, live[0] - size), copy.nbytes)
        return copy

    encoder = scripts.encoder.ENCODERS[name]
    groups = scripts.encoder.random_weights(encoder)
    weight_sizes = {array.nbytes for group in groups for array in group.values()}
    budget = sum(map(scripts.weights.group_bytes, groups)) // 2
    monkeypatch.setattr(scripts.backend.Backend, "put", put)
    weights = scripts.weights.Weights(numpy_backend(scripts), groups, budget)
    scripts.encoder.embed(encoder, weights, PROTEINS)

    assert most[0] == weights.peak_bytes
    assert 0 < most[0] <= budget


def test_a_budget_below_the_largest_layer_is_refused(scripts):
    with pytest.raises(ValueError, match="largest group has 30 bytes, the budget 20"):
        scripts.weights.groups_that_stay([10, 30], 20)


def test_the_budget_is_the_granted_part_of_the_declared_size(scripts):
    groups = [{"a": np.zeros(600, dtype=np.float32)}]
    spilled = CurrentPlacement(
        Residency.GPU_RAM_OVERFLOW, "cuda:0", max_memory={0: 4 * 10**9, "cpu": 8 * 10**9}, job="j"
    )

    assert scripts.weights.weight_budget(spilled, 6000, groups) == 1600
    assert scripts.weights.weight_budget(CurrentPlacement(None, "cpu"), 6000, groups) is None


def test_a_job_without_a_card_computes_with_numpy(scripts):
    assert scripts.backend.choose_backend(CurrentPlacement(None, "cpu")).name == "numpy"


@pytest.mark.parametrize("name", ["motif_conv", "attention_narrow", "attention_deep"])
def test_numpy_and_torch_agree(scripts, name):
    torch = pytest.importorskip("torch")
    encoder, by_numpy = small(scripts, name, numpy_backend(scripts))
    _, by_torch = small(scripts, name, scripts.backend.Backend(torch, "cpu"))

    difference = scripts.encoder.embed(encoder, by_numpy, PROTEINS) - scripts.encoder.embed(
        encoder, by_torch, PROTEINS
    )
    assert np.abs(difference).max() < 1e-5


def test_a_shuffled_window_keeps_its_ends_and_its_pairs_of_neighbours(scripts):
    sequence = scripts.sequences.read_fasta(EXAMPLE / "data/phix174.fa")["NC_001422.1"]
    mixed = scripts.kmer_window.shuffle_pairs(sequence, scripts.kmer_window.random.Random(3))

    assert mixed != sequence
    assert (mixed[0], mixed[-1]) == (sequence[0], sequence[-1])
    assert Counter(pairwise(mixed)) == Counter(pairwise(sequence))


def test_a_protein_aligns_better_with_itself_than_with_another(scripts):
    align = scripts.align_all
    encoder = align.ENCODER
    weights = scripts.weights.Weights(
        numpy_backend(scripts), scripts.encoder.random_weights(encoder)
    )
    scores = align.align_all(weights, ["MKTAYIAKQRQISFVKSHFSRQ", "MSLNNPWWQAGGDERTIVLKQ"])

    assert (scores == scores.T).all()
    assert scores.diagonal().min() > 3 * abs(scores[0, 1])
