"""A GGUF file's layers, sized without loading them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from nvinx.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = re.compile(r"blk\.(\d+)\.")
_OUTPUT = ("output.", "output_norm.")


def layers(path: Path) -> tuple[list[int], int]:
    """Bytes of each repeating layer, in order, and of the output layer. Raises CheckpointError."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        fix = "pip install 'snakemake-executor-plugin-nvinx[llama-cpp]'"
        raise CheckpointError(str(path), "sizing it needs the package gguf", fix) from error
    try:
        tensors = GGUFReader(path).tensors
    except (OSError, ValueError, KeyError, IndexError) as error:
        fix = "name a model.gguf, and download it again if it is broken"
        raise CheckpointError(str(path), f"is no GGUF file ({error})", fix) from error
    sizes: dict[int, int] = defaultdict(int)
    output = 0
    for tensor in tensors:
        number = _LAYER.match(tensor.name)
        if number:
            sizes[int(number.group(1))] += int(tensor.n_bytes)
        elif tensor.name.startswith(_OUTPUT):
            output += int(tensor.n_bytes)
    return [size for _, size in sorted(sizes.items())], output
