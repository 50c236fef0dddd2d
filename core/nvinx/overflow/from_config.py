"""A transformers model without memory: what a config alone says of its size and its pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.errors import CheckpointError
from nvinx.host import extras
from nvinx.overflow.model import Checkpoint, Tensor
from nvinx.overflow.split import Part

if TYPE_CHECKING:
    from pathlib import Path


def checkpoint(config: Path) -> Checkpoint:
    """The model that a config.json describes.

    Raises CheckpointError; MissingExtraError without transformers, torch or accelerate.
    """
    for package in ("torch", "transformers", "accelerate"):
        what = f"sizing {config}, a config without weights,"
        extras.require(package, "hf", what, "name a folder with safetensors")
    try:
        model, bits = _build(config)
    except Exception as error:  # whatever a strange config makes transformers raise
        problem = f"does not describe a model ({' '.join(str(error).split())[:200]})"
        raise CheckpointError(str(config), problem, "check model_type in it") from error
    tensors = tuple(Tensor(n, tuple(p.shape), bits) for n, p in model.named_parameters())
    return Checkpoint(config.parent.name or config.name, tensors, parts(model, bits), config.name)


def parts(model: Any, bits: int | None = None) -> tuple[Part, ...]:
    """The pieces of a transformers model, even of one without memory, in the order of use.

    bits: per number, as it will be loaded; by default as it is.
    """
    kept = set(getattr(model, "_no_split_modules", None) or ())
    return _parts(model, "", kept, bits, set())


def _build(config: Path) -> tuple[Any, int]:
    """The model and its bits per number."""
    import torch
    import transformers
    from accelerate import init_empty_weights

    said = transformers.AutoConfig.from_pretrained(config)
    known = (getattr(transformers, name, None) for name in said.architectures or ())
    made = next((found for found in known if found is not None), None)
    with init_empty_weights():
        model = made(said) if made else transformers.AutoModel.from_config(said)
    model.tie_weights()
    return model, torch.finfo(said.dtype or torch.float32).bits


def _parts(
    module: Any, name: str, kept: set[str], bits: int | None, seen: set[int]
) -> tuple[Part, ...]:
    """Tied weights are counted where they come first."""
    found = []
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    for step, tensor in own:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            each = 8 * tensor.element_size() if bits is None else bits
            found.append(Part(f"{name}{step}", tensor.numel() * each // 8, is_layer=False))
    for step, child in module.named_children():
        pieces = _parts(child, f"{name}{step}.", kept, bits, seen)
        whole = type(child).__name__ in kept or not list(child.children())
        size = sum(piece.size for piece in pieces)
        found.append(Part(f"{name}{step}", size, () if whole else pieces))
    return tuple(found)
