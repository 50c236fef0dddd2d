"""A model folder with the tensors of ESM-2 3B and nothing in them: a file that is one large hole."""

import json
import struct
from pathlib import Path

WIDTH, INNER, LAYERS, WORDS = 2560, 10240, 36, 33
ATTENTION = "attention.self.query attention.self.key attention.self.value attention.output.dense"


def linear(name, inputs, outputs):
    return {f"{name}.weight": [outputs, inputs], f"{name}.bias": [outputs]}


def norm(name):
    return {f"{name}.weight": [WIDTH], f"{name}.bias": [WIDTH]}


def layer(name):
    attention = [linear(f"{name}.{part}", WIDTH, WIDTH) for part in ATTENTION.split()]
    norms = [norm(f"{name}.{part}") for part in ("attention.LayerNorm", "LayerNorm")]
    inner = linear(f"{name}.intermediate.dense", WIDTH, INNER)
    outer = linear(f"{name}.output.dense", INNER, WIDTH)
    return [*attention, *norms, inner, outer]


shapes = {"esm.embeddings.word_embeddings.weight": [WORDS, WIDTH]}
for number in range(LAYERS):
    for part in layer(f"esm.encoder.layer.{number}"):
        shapes |= part
shapes |= norm("esm.encoder.emb_layer_norm_after") | norm("lm_head.layer_norm")
shapes |= linear("lm_head.dense", WIDTH, WIDTH) | {"lm_head.bias": [WORDS]}

header, end = {}, 0
for name, shape in shapes.items():
    size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
    header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
    end += size
text = json.dumps(header).encode()
folder = Path("models/esm2_3b")
folder.mkdir(parents=True)
with (folder / "model.safetensors").open("wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    file.truncate(8 + len(text) + end)
