"""What a job process asks: where am I, how much VRAM may I use, with which kwargs do I load."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nvinx.errors import OptionError
from nvinx.formatting import plain
from nvinx.jobs import attempt
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nvinx.overflow.split import Free

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CurrentPlacement:
    """Where this process was placed.

    residency: None outside nvinx. device: "cuda:0" or "cpu", as torch takes it; of several cards
    the first. vram_mb: VRAM this job may use on each card in MB (10^6 bytes), None when nobody
    said; where several differ, that of the one with least. max_memory: bytes by device, int keys
    for GPUs, "cpu", and "disk" where the job may use its scratch folder; empty when nobody said.
    simulated: the card is declared, not real, so a program should compute on the CPU. card_mb: all
    of the card, in MB. attempt: 1 for the first try of this job, one more for each that failed.
    last_failure: "out_of_memory" where the try before ran out of VRAM, else None. count: how many
    cards it has.
    """

    residency: Residency | None
    device: str
    vram_mb: int | None = None
    max_memory: Mapping[int | str, int] = field(default_factory=dict)
    job: str | None = None
    simulated: bool = False
    card_mb: int | None = None
    attempt: int = 1
    last_failure: str | None = None
    count: int = 1

    @property
    def devices(self) -> tuple[str, ...]:
        """Each of its cards as torch takes it, `("cuda:0", "cuda:1")`; `("cpu",)` on the CPU."""
        if not self.device.startswith("cuda"):
            return (self.device,)
        return tuple(f"cuda:{number}" for number in range(self.count))

    @property
    def managed(self) -> bool:
        """True when nvinx placed this process."""
        return self.job is not None

    @property
    def spills(self) -> bool:
        """True when the model is to be split over card, RAM and perhaps disk."""
        return self.residency is Residency.GPU_RAM_OVERFLOW and bool(self.max_memory)

    def tiers(self) -> Free:
        """What a job that spills may use, in bytes; a simulated card is a part of the RAM."""
        from nvinx.overflow.split import Free

        cards = [size for device, size in self.max_memory.items() if isinstance(device, int)]
        ram, disk = self.max_memory.get("cpu", 0), self.max_memory.get("disk", 0)
        if self.simulated:
            return Free(cards=(), ram=ram + sum(cards), disk=disk)
        return Free(cards=cards, ram=ram, disk=disk)

    def from_pretrained_kwargs(self, model: str | Path | None = None) -> dict[str, Any]:
        """Keyword arguments for HuggingFace's `from_pretrained`, a fresh dict at each call.

        A job that spills gets `device_map` with `max_memory` in bytes, and an `offload_folder`
        where it may use the disk; one that fits is put on its device whole, or spread over its
        cards where it has several. model: its folder; then
        several cards are filled in proportion to their room, and a split that does not work is
        found before anything is loaded: raises DoesNotFitError, and CheckpointError where its files
        cannot be read.
        """
        if not self.spills and self.count > 1 and not self.simulated:
            return {"device_map": "auto", "max_memory": dict(self.max_memory)}
        if not self.spills:
            return {"device_map": {"": "cpu" if self.simulated else self.device}}
        from nvinx.overflow import offload_folder, read_model
        from nvinx.overflow.split import plan_overflow

        free = self.tiers()
        max_memory: dict[int | str, int] = {**dict(enumerate(free.cards)), "cpu": free.ram}
        if model is not None:
            parts = read_model.read(Path(model)).parts
            max_memory = plan_overflow(parts, free, context=0).max_memory()
        device_map = "sequential" if len(free.cards) > 1 else "auto"
        kwargs: dict[str, Any] = {"device_map": device_map, "max_memory": max_memory}
        return kwargs | ({"offload_folder": offload_folder.folder()} if free.disk else {})


def current(environ: Mapping[str, str] | None = None) -> CurrentPlacement:
    """The placement of this process, read from its environment.

    Outside nvinx: "cpu" when CUDA_VISIBLE_DEVICES is set to nothing, else "cuda:0" if the NVIDIA
    driver shows a device to this process, else "cpu"; nothing is known about VRAM. Raises
    OptionError where a variable says what nvinx never wrote.
    """
    env = os.environ if environ is None else environ
    job = env.get("NVINX_JOB") or None
    if job is None:
        return CurrentPlacement(None, _guess_device(env))
    residency = _read(env, "NVINX_PLACEMENT", Residency, Residency.CPU_ONLY)
    return CurrentPlacement(
        residency,
        "cuda:0" if residency.uses_gpu else "cpu",
        _read(env, "NVINX_VRAM_MB", _count, None),
        _read(env, "NVINX_MAX_MEMORY", _max_memory, {}),
        job,
        env.get("NVINX_SIMULATED", "") == "1",
        _read(env, "NVINX_CARD_MB", _count, None),
        _read(env, attempt.NUMBER, _count, 1),
        env.get(attempt.LAST_FAILURE) or None,
        count=env.get("NVINX_GPU_INDEX", "").count(",") + 1,
    )


def _read(
    env: Mapping[str, str], name: str, reader: Callable[[str], Value], nothing: Value
) -> Value:
    """A variable that nvinx set, or that somebody else did. Raises OptionError."""
    text = env.get(name, "")
    try:
        return reader(text) if text else nothing
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        fix = "unset NVINX_JOB, if nvinx did not start this program, or leave the variable as it is"
        raise OptionError(f"{name}={plain(text)}", "nvinx did not write this value", fix) from error


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _max_memory(text: str) -> dict[int | str, int]:
    """JSON has only text keys; accelerate takes GPUs as int."""
    import json

    sizes = json.loads(text).items()
    return {int(key) if key.isdigit() else key: _count(str(size)) for key, size in sizes}


def _guess_device(env: Mapping[str, str]) -> str:
    if env.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "cpu"
    return "cuda:0" if os.path.exists("/dev/nvidia0") else "cpu"
