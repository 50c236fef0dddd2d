"""A GGUF file's layers, sized without loading them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from nvinx.errors import CheckpointError
from nvinx.host import extras

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = re.compile(r"blk\.(\d+)\.")
_OUTPUT = ("output.", "output_norm.")


def layers(path: Path) -> tuple[list[int], int]:
    """Bytes of each repeating layer, in order, and of the output layer.

    Raises CheckpointError; MissingExtraError without the package gguf.
    """
    extras.require("gguf", "llama-cpp", f"sizing {path}")
    from gguf import GGUFReader

    try:
        tensors = GGUFReader(path).tensors
    except (OSError, ValueError, KeyError, IndexError) as error:
        fix = "name a model.gguf, and download it again if it is broken"
        raise CheckpointError(str(path), f"is not a GGUF file ({error})", fix) from error
    sizes: dict[int, int] = defaultdict(int)
    output = 0
    for tensor in tensors:
        number = _LAYER.match(tensor.name)
        if number:
            sizes[int(number.group(1))] += int(tensor.n_bytes)
        elif tensor.name.startswith(_OUTPUT):
            output += int(tensor.n_bytes)
    return [size for _, size in sorted(sizes.items())], output
