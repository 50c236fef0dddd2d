"""Stands in for a program that folds a protein: it looks at all pairs of residues.

Its memory grows with the square of the length, as that of the real ones does: 60 MB for the model,
and 900 bytes for each pair. With torch and a card it takes this VRAM; on a simulated card it says
that it would, and fails as the real ones do where it was given less.
"""

import os
import sys
import time
from pathlib import Path

import nvinx.placement

MODEL_MB, PAIR_BYTES = 60, 900
CARD_S_PER_RESIDUE = 0.002
WATER_SHY = set("AVILMFWC")


def main(source, target):
    protein = "".join(source.read_text().splitlines()[1:])
    held = take(MODEL_MB + PAIR_BYTES * len(protein) ** 2 // 10**6)
    time.sleep(1 + CARD_S_PER_RESIDUE * len(protein))
    target.write_text(f"{contacts(protein)} pairs of {len(protein)} residues may touch\n")
    del held


def take(need_mb):
    """Hold so much VRAM, where there is any."""
    here = nvinx.placement.current()
    if here.simulated:
        return say(need_mb, here.vram_mb)
    if here.device == "cpu":
        return None
    import torch

    return torch.empty(need_mb * 10**6, dtype=torch.uint8, device=here.device)


def say(need_mb, given_mb):
    """As no driver sees what is used of a simulated card."""
    if need_mb > given_mb:
        sys.exit(f"CUDA out of memory. Tried to allocate {need_mb} MB of {given_mb} MB")
    Path(os.environ["NVINX_SIMULATED_PEAK"]).write_text(str(need_mb))


def contacts(protein):
    """Pairs of residues that both shun water and are four apart or more."""
    shy = [place for place, letter in enumerate(protein) if letter in WATER_SHY]
    return sum(one - other >= 4 for one in shy for other in shy)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
