"""One vector for each protein, by one encoder, where nvinx placed this job."""

import json
import time
from pathlib import Path

import numpy as np
from backend import choose_backend
from encoder import ENCODERS, embed, random_weights
from sequences import read_fasta
from weights import Weights, weight_budget

from nvinx.placement import current


def run(name: str, fastas: list[str], declared_mb: int | None) -> tuple[dict, dict]:
    encoder, placement = ENCODERS[name], current()
    proteins = {k: v for fasta in fastas for k, v in read_fasta(fasta).items()}
    began = time.perf_counter()
    backend, groups = choose_backend(placement), random_weights(encoder)
    weights = Weights(backend, groups, weight_budget(placement, declared_mb, groups))
    vectors = embed(encoder, weights, list(proteins.values()))
    facts = {
        "encoder": name,
        "kind": "attention" if encoder.heads else "convolution",
        "layers": encoder.layers,
        "width": encoder.width,
        "placement": placement.residency.value if placement.residency else "not set",
        "backend": backend.name,
        "device": backend.device,
        "simulated_card": placement.simulated,
        "declared_mb": declared_mb,
        "weights_mb": round(sum(weights.sizes) / 1e6, 3),
        "peak_on_device_mb": round(weights.peak_bytes / 1e6, 3),
        "layers_on_device": weights.resident - 1,
        "streamed_mb": round(weights.streamed_bytes / 1e6, 3),
        "seconds": round(time.perf_counter() - began, 2),
    }
    return {"proteins": np.array(list(proteins)), "vectors": vectors}, facts


def main(job) -> None:
    name = job.params.get("encoder") or job.wildcards.encoder
    arrays, facts = run(name, list(job.input), job.resources.get("vram_mb"))
    np.savez(job.output.vectors, **arrays)
    Path(job.output.facts).write_text(json.dumps(facts, indent=1) + "\n")
    Path(job.log[0]).write_text(f"{facts}\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here
