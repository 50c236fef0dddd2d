"""What a line of a trace must lead to when it is played again; each says whether it did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import card_traces

import nvinx
from nvinx.jobs import outcome

LOOK = """
import json
from msgspec import to_builtins
from nvinx.gpu.nvml import NvmlProbe
print(json.dumps(to_builtins(NvmlProbe().read())))
"""


def same_look(line, library, folder):
    """The probe sees the card's memory and processes in NVML's raw answers as it did then.

    library: the folder of our libnvidia-ml.so.1. Of several cards the first is compared.
    """
    told = line["data"].get("during", line["data"])
    state = folder / "state"
    state.write_text(card_traces.nvml_state(told["raw"]))
    environ = {
        **os.environ,
        "LD_LIBRARY_PATH": str(library),
        "NVINX_FAKE_NVML": str(state),
        "PYTHONPATH": str(Path(nvinx.__file__).parents[1]),
    }
    done = subprocess.run([sys.executable, "-c", LOOK], env=environ, stdout=-1, check=True)
    seen, then = json.loads(done.stdout)["gpus"][0], told["look"]["gpus"][0]
    return {**seen, "name": ""} == {**then, "name": ""}


def ends_as_it_was(line):
    """nvinx takes the program's end for what it was."""
    data = line["data"]
    return outcome.outcome_of(data["status"], data["stderr"]).value == data["expected"]
