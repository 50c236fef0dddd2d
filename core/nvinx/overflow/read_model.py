"""A model on disk, sized without loading it: from its safetensors headers, or from its config."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from nvinx.errors import CheckpointError
from nvinx.host import extras
from nvinx.overflow.model import BITS, Checkpoint, Tensor
from nvinx.overflow.split import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_INDEX = "model.safetensors.index.json"
BITS |= {"I16": 16, "U16": 16, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
_FIRST = re.compile(r"embed|conv|wte|wpe", re.IGNORECASE)
_SAVE = "save the model with save_pretrained (safetensors), or name its folder"


def read(path: Path) -> Checkpoint:
    """The model in a folder, a safetensors file, or a config.json.

    A config alone is enough where transformers is installed: the model is built without memory.
    Raises CheckpointError; MissingExtraError where what reads it is not installed.
    """
    from nvinx.overflow import from_config

    if path.is_dir():
        files = _files_in(path)
        if not files and (path / "config.json").is_file():
            return from_config.checkpoint(path / "config.json")
        if not files:
            problem = "holds neither safetensors nor config.json"
            raise CheckpointError(str(path), problem, _other_formats(path))
    elif path.name.endswith(".json") and path.is_file():
        return from_config.checkpoint(path)
    elif path.is_file():
        files = [path]
    else:
        raise CheckpointError(str(path), "is not there", "name a model's folder or its config.json")
    tensors = tuple(tensor for file in files for tensor in _header(file))
    if not tensors:
        raise CheckpointError(str(path), "holds no tensors", _SAVE)
    return Checkpoint(path.name, tensors, _tree(tensors), "safetensors headers")


def _files_in(folder: Path) -> list[Path]:
    """The safetensors files that make one model, in order."""
    index = folder / _INDEX
    if not index.is_file():
        single = folder / "model.safetensors"
        return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(str(index), f"is not an index of weights ({error})", _SAVE) from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        problem = f"lacks {missing[0]}, which {_INDEX} names"
        raise CheckpointError(str(folder), problem, "download the model again")
    return [folder / name for name in names]


def _other_formats(folder: Path) -> str:
    if next(folder.glob("*.gguf"), None):
        return "for llama.cpp, ask `nvinx placement --for llama.cpp --model FILE.gguf` in the job"
    if next(folder.glob("*.bin"), None):
        return "pickled weights cannot be sized unread: save the model as safetensors"
    return _SAVE


def _header(file: Path) -> list[Tensor]:
    extras.require("safetensors.numpy", "hf", f"sizing {file}")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as weights:
            slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
            return [
                Tensor(name, tuple(at.get_shape()), BITS.get(at.get_dtype(), 8))
                for name, at in slices.items()
            ]
    except (SafetensorError, OSError) as error:
        problem = f"cannot be read ({' '.join(str(error).split())})"
        raise CheckpointError(
            str(file), problem, "download it again, or check its permissions"
        ) from error


# the order of use


def _tree(tensors: Iterable[Tensor]) -> tuple[Part, ...]:
    """The pieces that the tensors' names tell of, in the usual order of use.

    Names have no order: embeddings come first, numbered layers in their order, then the rest.
    """
    branches: dict[str, Any] = {}
    for tensor in tensors:
        *path, leaf = tensor.name.split(".")
        at = branches
        for step in path:
            at = at.setdefault(step, {})
        at[leaf] = tensor
    return _pieces("", branches)


def _pieces(name: str, branches: Mapping[str, Any]) -> tuple[Part, ...]:
    return tuple(
        _piece(f"{name}.{step}" if name else step, step, branch)
        for step, branch in sorted(branches.items(), key=_place)
    )


def _piece(name: str, step: str, branch: Any) -> Part:
    if isinstance(branch, Tensor):
        return Part(name, branch.size, is_layer=False)
    pieces = _pieces(name, branch)
    size = sum(piece.size for piece in pieces)
    is_leaf = all(isinstance(below, Tensor) for below in branch.values())
    whole = step.isdigit() or is_leaf or _FIRST.search(step)
    return Part(name, size) if whole else Part(name, size, pieces)


def _place(item: tuple[str, Any]) -> tuple[int, int, bool, str]:
    step, branch = item
    if step.isdigit():
        return 2, int(step), False, step
    if isinstance(branch, Tensor):
        return 0, 0, False, step
    if _FIRST.search(step):
        return 1, 0, False, step
    return (2 if _has_layers(branch) else 3), 0, "encoder" not in step, step


def _has_layers(branch: Any) -> bool:
    if isinstance(branch, Tensor):
        return False
    return any(step.isdigit() or _has_layers(below) for step, below in branch.items())
