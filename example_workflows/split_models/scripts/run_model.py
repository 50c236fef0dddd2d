"""Load one model where nvinx placed this job, or in one piece, and compute."""

import json
import time
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from compute import COMPUTE
from sequences import read_fasta
from tiers import held, planned

from nvinx.placement import current


def load(folder, placement):
    kind = json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    model = getattr(hf, kind).from_pretrained(folder, **placement.from_pretrained_kwargs(folder))
    return model.eval(), kind


def run(folder, sequences):
    placement = current()
    began = time.perf_counter()
    model, kind = load(folder, placement)
    loaded = time.perf_counter()
    with torch.inference_mode():
        arrays = COMPUTE[kind](model, folder, read_fasta(sequences))
    facts = {
        "model": Path(folder).name,
        "kind": kind,
        "million": round(sum(tensor.numel() for tensor in model.parameters()) / 1e6, 1),
        "placement": placement.residency.value if placement.residency else "not set",
        "simulated_card": placement.simulated,
        "limits": {str(device): size for device, size in placement.max_memory.items()},
        "computed_on": str(model.device),
        "layers": held(model),
        "planned": planned(model, placement),
        "load_s": round(loaded - began, 2),
        "compute_s": round(time.perf_counter() - loaded, 2),
    }
    return arrays, facts


def main(job):
    torch.set_num_threads(job.threads)
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    arrays, facts = run(job.input.model, list(job.input.sequences))
    np.savez(job.output.arrays, **arrays)
    Path(job.output.facts).write_text(json.dumps(facts, indent=1) + "\n")
    Path(job.log[0]).write_text(f"{facts['kind']} on {facts['computed_on']}\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here
