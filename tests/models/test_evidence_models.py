"""The models of the campaign on real cards, as toys on the CPU, and one that is split."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"
NAMES = (
    "esm2_150m",
    "esm2_150m_long",
    "decoder_500m",
    "whisper_base",
    "bert_base",
    "resnet_50",
    "lstm_basecaller",
)


@pytest.fixture
def models(monkeypatch):
    monkeypatch.syspath_prepend(str(GPU))
    monkeypatch.setenv("EVIDENCE_DEVICE", "cpu")
    monkeypatch.setenv("EVIDENCE_SMALL", "1")
    return importlib.import_module("evidence.models")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")
def test_a_model_is_built_from_its_config_and_runs(models, name):
    target = getattr(models, name)()
    assert target.name == name
    target.inference_fn(target.sample_input)
    target.inference_fn(target.sample_input)


def test_triples_are_of_these_models(models):
    assert [loader.__name__ for loader in models.LOADERS] == list(NAMES)
    assert {name for three in models.TRIPLES for name in three} == set(NAMES)


def test_a_split_decoder_lies_where_it_was_planned(tmp_path):
    command = [sys.executable, GPU / "run.py", "offload", "--device", "cpu", "--small"]
    folders = ["--out", tmp_path / "out", "--scratch", tmp_path / "scratch"]
    done = subprocess.run(
        [*command, *folders, "--only", "offload/share/0.5"], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "out" / "offload.jsonl").read_text().splitlines()
    found = json.loads(line)["data"]
    assert found["held"]["disk"] == pytest.approx(found["planned"]["disk"], abs=64)
    assert found["held"]["cpu"] == found["planned"]["cpu"]
    assert (len(found["prefill_s"]), len(found["token_s"])) == (2, 16)
