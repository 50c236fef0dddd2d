"""The example of split models as a user runs it, with nvinx and without."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from waiting import GIVE_UP_S

import nvinx
from nvinx.runs import read as recorded

EXAMPLES = Path(__file__).parents[2] / "example_workflows"
EXAMPLE = EXAMPLES / "split_models"
SPLIT = ("codon_llama", "esm_35m")
MODELS = (*SPLIT, "esm_8m", "tone_whisper")
NVINX = ("--executor", "nvinx", "--jobs", "100", "--nvinx-bench", "nvinx.simulated.yaml")
together = pytest.mark.xdist_group("split_models")  # one process runs the workflows for all tests


def run_workflow(root, *arguments):
    """Snakemake on a fresh copy of the example, two cores, failures shown; its folder."""
    leave = shutil.ignore_patterns("results", "logs", ".snakemake", ".nvinx", "__pycache__")
    shutil.copytree(EXAMPLES, root, ignore=leave)
    paths = [str(Path(nvinx.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=root / EXAMPLE.name,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "NVINX_STATE_DIR": str(root / "state"),
        },
        capture_output=True,
        text=True,
        timeout=2 * GIVE_UP_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return root / EXAMPLE.name


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    pytest.importorskip("pyrodigal")
    return run_workflow(tmp_path_factory.mktemp("stock") / "examples")


@pytest.fixture(scope="module")
def with_nvinx(tmp_path_factory):
    pytest.importorskip("pyrodigal")
    return run_workflow(tmp_path_factory.mktemp("nvinx") / "examples", *NVINX)


@pytest.fixture
def agreement():
    """The module that the rule check_split rests on, forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE / "scripts")
        yield importlib.import_module("agreement")
    sys.modules.pop("agreement", None)


def facts(folder, model):
    return json.loads((folder / f"results/outputs/{model}.json").read_text())


def tiers(folder, model):
    return {tier for _, _, tier in facts(folder, model)["layers"]}


@together
def test_split_models_lie_in_ram_and_on_disk_and_small_ones_share_the_card(with_nvinx):
    jobs = recorded.last(with_nvinx).jobs.values()
    where = {job.name: job.where for job in jobs if job.where not in ("", "CPU")}

    assert where == {
        "run_shared[esm_8m]": "GPU 0 shared",
        "run_shared[tone_whisper]": "GPU 0 shared",
        **{f"run_split[{model}]": "GPU 0 + RAM" for model in SPLIT},
        **{f"run_unsplit[{model}]": "GPU 0 alone" for model in SPLIT},
    }
    assert [tiers(with_nvinx, model) for model in SPLIT] == [{"RAM", "disk"}] * 2


@together
def test_the_checks_compared_all_numbers_of_a_model_that_was_split(with_nvinx):
    checks = {m: json.loads((with_nvinx / f"results/checks/{m}.json").read_text()) for m in SPLIT}

    assert all(check["was_split"] for check in checks.values())
    assert checks["esm_35m"]["numbers"] == {"vectors": 69 * 480}
    assert checks["codon_llama"]["numbers"] == {"surprise": 69, "continued": 4 * 29}


@together
def test_the_report_names_every_model_and_shows_the_picture(with_nvinx):
    report = (with_nvinx / "results/report.md").read_text()

    assert all(f"| {model} |" in report for model in MODELS)
    assert "The card is a declared one" in report
    assert "(tiers.png)" in report
    assert (with_nvinx / "results/tiers.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@together
def test_the_stock_executor_computes_the_same_bits_and_splits_nothing(with_nvinx, stock):
    for folder, name in [*product(["outputs"], MODELS), *product(["unsplit"], SPLIT)]:
        path = f"results/{folder}/{name}.npz"
        with np.load(stock / path) as one, np.load(with_nvinx / path) as other:
            assert {n: a.tobytes() for n, a in one.items()} == {
                n: a.tobytes() for n, a in other.items()
            }, path
            assert all(np.isfinite(array).all() for array in one.values())
    assert all(tiers(stock, model) <= {"RAM"} or tiers(stock, model) == {"card"} for model in SPLIT)
    assert "nothing was split" in (stock / "results/report.md").read_text()
    assert not (stock / ".nvinx").exists()


def test_one_bit_that_differs_fails_the_check(agreement, tmp_path):
    numbers = np.ones(5, dtype=np.float32)
    np.savez(tmp_path / "whole.npz", vectors=numbers)
    numbers[3] = np.nextafter(numbers[3], 2, dtype=np.float32)
    np.savez(tmp_path / "split.npz", vectors=numbers)

    with pytest.raises(ValueError, match=r"vectors of .* differs"):
        agreement.same_bits(tmp_path / "split.npz", tmp_path / "whole.npz")
    assert agreement.same_bits(tmp_path / "split.npz", tmp_path / "split.npz") == {"vectors": 5}


def test_a_layer_that_lies_elsewhere_than_planned_fails_the_check(agreement):
    planned = {"here": {"card": 0, "RAM": 10, "disk": 20}}
    lay = {"model": "m", "planned": planned, "layers": [("a", 10, "RAM"), ("b", 20, "disk")]}

    assert agreement.lay_as_planned(lay) == planned["here"]
    with pytest.raises(ValueError, match="planned was"):
        agreement.lay_as_planned({**lay, "layers": [("a", 30, "RAM")]})


def test_both_bench_files_name_the_same_models():
    real, declared = (
        yaml.safe_load((EXAMPLE / name).read_text())
        for name in ("nvinx.yaml", "nvinx.simulated.yaml")
    )

    assert [m["name"] for m in real["models"]] == [m["name"] for m in declared["models"]]
    assert [gpu["simulated"] for gpu in declared["hardware"]["gpus"]] == [True]
