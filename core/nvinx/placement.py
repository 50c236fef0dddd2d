"""What a job process asks: where am I, how much VRAM may I use, with which kwargs do I load."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nvinx.catalog import Residency

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CurrentPlacement:
    """Where this process was placed.

    residency: None outside nvinx. device: "cuda:0" or "cpu", as torch takes it. vram_mb: VRAM this
    job may use in MB (10^6 bytes), None when nobody said. max_memory: bytes by device, int keys for
    GPUs and "cpu", empty when nobody said. simulated: the card is declared, not real, so a program
    that finds no CUDA should compute on the CPU.
    """

    residency: Residency | None
    device: str
    vram_mb: int | None = None
    max_memory: Mapping[int | str, int] = field(default_factory=dict)
    job: str | None = None
    simulated: bool = False

    @property
    def managed(self) -> bool:
        """True when nvinx placed this process."""
        return self.job is not None

    def from_pretrained_kwargs(self) -> dict[str, Any]:
        """Keyword arguments for HuggingFace's `from_pretrained`, a fresh dict at each call.

        A job that spills gets `device_map="auto"` with `max_memory` in bytes; one that fits is put
        on its device whole.
        """
        if self.residency is Residency.GPU_RAM_OVERFLOW and self.max_memory:
            return {"device_map": "auto", "max_memory": dict(self.max_memory)}
        return {"device_map": {"": self.device}}


def current(environ: Mapping[str, str] | None = None) -> CurrentPlacement:
    """The placement of this process, read from its environment.

    Outside nvinx: "cpu" when CUDA_VISIBLE_DEVICES is set to nothing, else "cuda:0" if the NVIDIA
    driver shows a device to this process, else "cpu"; nothing is known about VRAM.
    """
    env = os.environ if environ is None else environ
    job = env.get("NVINX_JOB") or None
    if job is None:
        return CurrentPlacement(None, _guess_device(env))
    residency = Residency(env.get("NVINX_PLACEMENT", Residency.CPU_ONLY.value))
    vram = env.get("NVINX_VRAM_MB", "")
    return CurrentPlacement(
        residency,
        "cuda:0" if residency.uses_gpu else "cpu",
        int(vram) if vram else None,
        _max_memory(env.get("NVINX_MAX_MEMORY", "")),
        job,
        env.get("NVINX_SIMULATED", "") == "1",
    )


def _max_memory(text: str) -> dict[int | str, int]:
    """JSON has only text keys; accelerate takes GPUs as int."""
    if not text:
        return {}
    return {int(k) if k.isdigit() else k: int(v) for k, v in json.loads(text).items()}


def _guess_device(env: Mapping[str, str]) -> str:
    if env.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "cpu"
    return "cuda:0" if os.path.exists("/dev/nvidia0") else "cpu"
