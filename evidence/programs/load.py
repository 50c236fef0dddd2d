"""Load a decoder to its device: `python load.py FOLDER cold|staged|warm`; one JSON line.

cold: its pages are put out of the cache before. staged: then nvinx's reader reads them. warm: they
are in the cache from a first load.
"""

import json
import sys
import time
from pathlib import Path

import torch
import transformers

from nvinx.calibration import bandwidth
from nvinx.placement import CurrentPlacement
from nvinx.staging.ports import File
from nvinx.staging.process import ProcessStager

DEVICE = "cuda:0" if torch.cuda.is_available() else "cpu"
FLOOR_MIB = 1024


def load_s(folder):
    begin = time.perf_counter()
    kwargs = CurrentPlacement(None, DEVICE).from_pretrained_kwargs()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **kwargs)
    # What is mapped is read at its first use.
    checked = sum(float(tensor.flatten()[::1024].sum()) for tensor in model.parameters())
    took_s = time.perf_counter() - begin
    del model, checked
    return took_s


def stage(files):
    """Seconds that nvinx's reader took."""
    stager = ProcessStager()
    stager.begin([File(str(file), file.stat().st_size) for file in files], FLOOR_MIB)
    while (warmed := stager.result()) is None:
        time.sleep(0.02)
    if warmed.problem:
        sys.exit(warmed.problem)
    return warmed.took_s


def main(folder, how):
    # Neither the context nor the imports are loading.
    torch.zeros(1, device=DEVICE)
    _ = transformers.LlamaForCausalLM, transformers.AutoConfig.from_pretrained(folder)
    files = sorted(folder.glob("*.safetensors"))
    found = {"how": how, "bytes": sum(file.stat().st_size for file in files)}
    if how == "warm":
        load_s(folder)
    else:
        for file in files:
            bandwidth.drop_pages(file)
    if how == "staged":
        found["staged_s"] = stage(files)
    print(json.dumps({**found, "load_s": load_s(folder)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
