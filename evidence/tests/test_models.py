"""The models of the campaign on real cards, as toys on the CPU, and one that is split."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from campaign import models

RUN = Path(__file__).parents[1] / "run.py"
NAMES = (
    "esm2_150m",
    "esm2_150m_long",
    "decoder_500m",
    "whisper_base",
    "bert_base",
    "resnet_50",
    "lstm_basecaller",
)


WITHOUT = [name for name in ("torch", "transformers", "accelerate") if find_spec(name) is None]
needs_torch = pytest.mark.skipif(
    bool(WITHOUT), reason=f"{', '.join(WITHOUT)} not installed (the extra hf): make test-models"
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")
@needs_torch
def test_a_model_is_built_from_its_config_and_runs(monkeypatch, name):
    monkeypatch.setenv(models.DEVICE, "cpu")
    monkeypatch.setenv(models.SMALL, "1")
    target = getattr(models, name)()
    assert target.name == name
    target.inference_fn(target.sample_input)
    target.inference_fn(target.sample_input)


def test_triples_are_of_these_models():
    assert [loader.__name__ for loader in models.LOADERS] == list(NAMES)
    assert {name for three in models.TRIPLES for name in three} == set(NAMES)


@needs_torch
def test_a_split_decoder_lies_where_it_was_planned(tmp_path):
    command = [sys.executable, RUN, "offload", "--device", "cpu", "--small"]
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
