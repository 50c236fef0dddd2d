"""The bench file that `nvinx init` writes: the machine as it is, with a word on each line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nvinx.bench.resolve import REAL_HEADROOM_GB
from nvinx.residency import Residency
from nvinx.sizes import rounded_gb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.gpu.ports import GpuInventory
    from nvinx.host.resources import Machine


def render(machine: Machine, inventory: GpuInventory, simulate_vram_gb: float | None = None) -> str:
    """The text of a bench file for this machine, or for one simulated card on it."""
    return "\n".join(
        (
            "# What nvinx may hand out on this machine. Sizes are GB (10^9 bytes).",
            "# Leave a line out, and nvinx asks the machine each time it starts.",
            "hardware:",
            f"  cpu_cores: {machine.cores}",
            f"  ram_gb: {rounded_gb(machine.ram_mib):g}",
            *_gpu_lines(inventory, simulate_vram_gb),
            "",
            '# Models that rules can name with model="...". Residency is one of',
            f"# {', '.join(r.value for r in Residency)}.",
            "models:",
            "#  - name: esm2_150m",
            "#    vram_gb: 0.9",
            "#    residency: gpu_shared",
            "#    cpu_fallback_supported: true",
            "",
        )
    )


def _gpu_lines(inventory: GpuInventory, simulate_vram_gb: float | None) -> Iterator[str]:
    if simulate_vram_gb is not None:
        yield f"  vram_gb: {simulate_vram_gb:g}"
        yield "  simulated: true  # no such card is needed: jobs are placed as if it were there"
        return
    if not inventory.gpus:
        yield f"  # No GPU is listed: {' '.join((inventory.problem or 'there is none').split())}"
        return
    yield f"  headroom_gb: {REAL_HEADROOM_GB:g}  # VRAM that shared jobs leave free on each card"
    yield "  gpus:"
    for gpu, name in zip(
        inventory.gpus, _distinct([gpu.name for gpu in inventory.gpus]), strict=True
    ):
        yield f"    - name: {json.dumps(name, ensure_ascii=False)}"
        yield f"      vram_gb: {rounded_gb(gpu.total_mib):g}  # use no more of the card than this"


def _distinct(names: list[str]) -> list[str]:
    return [f"{name} #{n}" if names.count(name) > 1 else name for n, name in enumerate(names)]
