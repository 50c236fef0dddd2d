"""A model's files are sized without loading them, or the trouble with them is told."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from nvinx.errors import CheckpointError, MissingExtraError
from nvinx.overflow import read_model

WIDTH = 8


def tensors(layers=3):
    """An encoder's weights, with names in no order of use."""
    found = {"lm_head.weight": (20, WIDTH), "esm.embeddings.words.weight": (20, WIDTH)}
    for n in range(layers):
        found[f"esm.encoder.layer.{n}.attention.weight"] = (WIDTH, WIDTH)
        found[f"esm.encoder.layer.{n}.norm.weight"] = (WIDTH,)
    return {name: np.zeros(shape, dtype=np.float16) for name, shape in found.items()}


@pytest.fixture
def model(tmp_path):
    save_file(tensors(), tmp_path / "model.safetensors")
    return tmp_path


def names(parts):
    for part in parts:
        yield from names(part.parts) if part.parts else (part.name,)


def test_sizes_are_those_of_the_tensors(model):
    found = read_model.read(model)

    per_layer = WIDTH * WIDTH + WIDTH
    assert found.count == 2 * 20 * WIDTH + 3 * per_layer
    assert (found.size, found.bits) == (2 * found.count, 16)
    assert found.largest == 2 * 20 * WIDTH
    assert found.source == "safetensors headers"


def test_pieces_are_in_the_order_of_use_however_they_are_named(model):
    assert list(names(read_model.read(model).parts)) == [
        "esm.embeddings",
        *(f"esm.encoder.layer.{n}" for n in range(3)),
        "lm_head",
    ]


def test_ten_layers_are_in_their_order(tmp_path):
    save_file(tensors(layers=11), tmp_path / "model.safetensors")
    listed = [name for name in names(read_model.read(tmp_path).parts) if "layer" in name]

    assert listed == [f"esm.encoder.layer.{n}" for n in range(11)]


def test_quantising_takes_the_matrices_of_the_layers_only(model):
    found = read_model.read(model)

    matrices = 3 * WIDTH * WIDTH
    assert found.quantised("int8") == found.size - matrices
    assert found.quantised("int4") == found.size - round(matrices * (2 - 4.5 / 8))


def test_a_model_in_several_files_is_one_model(tmp_path):
    items = sorted(tensors().items())
    index = {}
    for n, part in enumerate((items[:3], items[3:])):
        save_file(dict(part), tmp_path / f"part-{n}.safetensors")
        index |= {name: f"part-{n}.safetensors" for name, _ in part}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (tmp_path / "other.safetensors").write_bytes(b"not one of its files")

    assert read_model.read(tmp_path).count == sum(t.size for _, t in items)

    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks part-1.safetensors"):
        read_model.read(tmp_path)


def test_a_file_by_itself_is_a_model_too(model):
    assert read_model.read(model / "model.safetensors").size == read_model.read(model).size


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weight_map": 3}', "{}"])
def test_an_index_that_is_none_is_named(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="not an index of weights"):
        read_model.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 100, b"\x02" + b"\0" * 7 + b"{"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model.safetensors: cannot be read"):
        read_model.read(tmp_path)


def test_a_file_cut_short_is_told(model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_model.read(model)


@pytest.mark.parametrize(
    ("file", "word"),
    [("pytorch_model.bin", "pickled"), ("model.gguf", "llama.cpp"), ("notes.txt", "safetensors")],
)
def test_other_formats_are_told_what_to_do(tmp_path, file, word):
    (tmp_path / file).write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=word):
        read_model.read(tmp_path)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="is not there"):
        read_model.read(tmp_path / "nowhere")


def test_a_file_without_tensors_is_no_model(tmp_path):
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_model.read(tmp_path)


def test_a_config_needs_transformers(tmp_path, monkeypatch):
    import sys

    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "torch", None)
    problem = r"config\.json.* needs torch, which is not installed.*\[hf\]"
    with pytest.raises(MissingExtraError, match=problem):
        read_model.read(tmp_path)
