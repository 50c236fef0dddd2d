"""A placement in the words of programs that do not load through transformers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.placement import CurrentPlacement

_FULL = 0.98  # of a card, for programs that take a fraction and mean all of it


def llama_cpp(here: CurrentPlacement, layers: Sequence[int], output: int, keep: int = 0) -> str:
    """`-ngl N`: as many of the last layers as the card may hold, and then the output layer.

    layers, output: bytes of each repeating layer, in order, and of the output layer. keep: bytes
    for the KV cache.
    """
    room = _card_bytes(here) - keep
    count = 0
    for size in (*reversed(layers), output):
        room -= size
        if room < 0:
            break
        count += 1
    return f"-ngl {count}"


def jax(here: CurrentPlacement) -> dict[str, str]:
    """Environment for JAX and TensorFlow: a job that spills uses CUDA's unified memory.

    Such a program, AlphaFold among them, may then allocate more than the card has.
    """
    if _card_bytes(here) == 0:
        return {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    ram = here.max_memory.get("cpu", 0) // here.count if here.spills else 0
    both = _least_bytes(here) + ram
    share = f"{both / _whole_card(here):.3f}"
    fraction = {"XLA_CLIENT_MEM_FRACTION": share, "XLA_PYTHON_CLIENT_MEM_FRACTION": share}
    unified = {"TF_FORCE_UNIFIED_MEMORY": "1"} if here.spills else {}
    return fraction | unified | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def vllm(here: CurrentPlacement) -> str:
    """vLLM's options: its share of each card, how many there are, and what of the weights it keeps
    in RAM.
    """
    if _card_bytes(here) == 0:
        return "--device cpu"
    share = min(_least_bytes(here) / _whole_card(here), _FULL)
    options = f"--gpu-memory-utilization {share:.2f}"
    if here.count > 1:
        options += f" --tensor-parallel-size {here.count}"
    ram = here.max_memory.get("cpu", 0) // here.count if here.spills else 0
    return f"{options} --cpu-offload-gb {ram / 2**30:.1f}" if ram else options


def deepspeed(here: CurrentPlacement, scratch: str) -> str:
    """A DeepSpeed configuration, as JSON: ZeRO stage 3 that keeps parameters in RAM, or on disk.

    scratch: the folder for those on disk.
    """
    if not here.spills:
        return json.dumps({"zero_optimization": {"stage": 0}})
    where: dict[str, object] = {"device": "cpu", "pin_memory": True}
    if here.max_memory.get("disk"):
        where = {"device": "nvme", "nvme_path": scratch}
    return json.dumps({"zero_optimization": {"stage": 3, "offload_param": where}})


def _card_bytes(here: CurrentPlacement) -> int:
    """What the job may take of the card; all of it where nobody said."""
    if here.device == "cpu" or here.simulated:
        return 0
    granted = sum(size for device, size in here.max_memory.items() if isinstance(device, int))
    return granted or _whole_card(here)


def _least_bytes(here: CurrentPlacement) -> int:
    """What it may take of that of its cards which has least for it."""
    sizes = [size for device, size in here.max_memory.items() if isinstance(device, int)]
    return min(sizes, default=_whole_card(here))


def _whole_card(here: CurrentPlacement) -> int:
    return (here.card_mb or 0) * 10**6 or max(here.max_memory.get(0, 0), 1)
