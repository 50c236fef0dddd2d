"""Writes what this process was told about its placement."""

import json
import os
import sys
from pathlib import Path

NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "NVINX_JOB",
    "NVINX_MAX_MEMORY",
    "NVINX_PLACEMENT",
    "NVINX_SIMULATED",
    "NVINX_VRAM_MB",
)


def write(path):
    from nvinx.placement import current

    here = current()
    told = {name: os.environ.get(name) for name in NAMES}
    asked = {
        "residency": here.residency and here.residency.value,
        "device": here.device,
        "vram_mb": here.vram_mb,
        "max_memory": {str(device): size for device, size in here.max_memory.items()},
        "device_map": here.from_pretrained_kwargs()["device_map"],
        "job": here.job,
        "simulated": here.simulated,
    }
    Path(path).write_text(json.dumps({"told": told, "asked": asked}))


if __name__ == "__main__":
    write(sys.argv[1])
