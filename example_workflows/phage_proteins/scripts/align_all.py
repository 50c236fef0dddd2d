"""Soft alignment of every protein with every other, by attention between their positions.

The score of a pair is the mean cosine of two positions, weighted by how strongly each chooses the
other (soft symmetric alignment: T. Bepler and B. Berger, ICLR 2019). It is given in standard
deviations above the scores against shuffles of the second protein, which have the same composition
and length: what is left is due to the order of the residues.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from backend import choose_backend
from encoder import Encoder, encode, random_weights, softmax
from sequences import read_fasta
from weights import Weights

from nvinx.placement import current

ENCODER = Encoder("alignment", layers=2, width=128, heads=0, seed=17)
DECOYS = 8
SHARPNESS = 20.0  # how firmly a position prefers its best partner


def align(xp: Any, one: Any, other: Any) -> Any:
    """A number in [-1, 1] for two arrays of unit vectors, (length, width) each."""
    cosines = one @ other.swapaxes(0, 1)
    forth, back = (softmax(xp, SHARPNESS * cosines, axis) for axis in (1, 0))
    chosen = forth + back - forth * back
    return xp.sum(chosen * cosines) / xp.sum(chosen)


def unit_positions(weights: Weights, proteins: list[str]) -> list[Any]:
    states = encode(ENCODER, weights, proteins)
    return [s / ((s * s).sum(1)[:, None]) ** 0.5 for s in states]


def shuffled(proteins: list[str], seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.sample(protein, len(protein))) for protein in proteins]


def align_all(weights: Weights, proteins: list[str]) -> np.ndarray:
    """Standard deviations above chance, (proteins, proteins), symmetric."""
    xp = weights.backend.xp
    real = unit_positions(weights, proteins)
    decoys = [unit_positions(weights, shuffled(proteins, seed)) for seed in range(DECOYS)]
    scores = np.zeros((len(proteins), len(proteins)), dtype=np.float32)
    for i, one in enumerate(real):
        for j in range(i, len(real)):
            chance = [float(align(xp, one, decoy[j])) for decoy in decoys]
            score = float(align(xp, one, real[j])) - statistics.fmean(chance)
            scores[i, j] = scores[j, i] = score / statistics.stdev(chance)
    return scores


def main(fastas: list[str], scores: str, facts: str) -> None:
    placement, began = current(), time.perf_counter()
    proteins = {k: v for fasta in fastas for k, v in read_fasta(fasta).items()}
    backend = choose_backend(placement)
    matrix = align_all(Weights(backend, random_weights(ENCODER)), list(proteins.values()))
    np.savez(scores, proteins=np.array(list(proteins)), scores=matrix)
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    report = {
        "pairs": len(matrix) * (len(matrix) + 1) // 2,
        "placement": placement.residency.value if placement.residency else "not set",
        "backend": backend.name,
        "device": backend.device,
        "simulated_card": placement.simulated,
        "mean_with_itself": round(float(matrix.diagonal().mean()), 5),
        "mean_with_others": round(float(others.mean()), 5),
        "sd_with_others": round(float(others.std()), 5),
        "seconds": round(time.perf_counter() - began, 2),
    }
    Path(facts).write_text(json.dumps(report, indent=1) + "\n")
    print(report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fastas", nargs="+")
    parser.add_argument("--scores", required=True)
    parser.add_argument("--facts", required=True)
    main(**vars(parser.parse_args()))
