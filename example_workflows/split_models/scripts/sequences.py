"""What the models read: proteins, codons, and tones that stand in for a recorded signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

RATE_HZ = 16_000
TONE_S = 0.02  # a base's share of the signal
CLIP_BASES = 200  # of four seconds
TONES_HZ = {"A": 400.0, "C": 800.0, "G": 1600.0, "T": 2400.0}


def read_fasta(paths: Iterable[str]) -> dict[str, str]:
    """Sequence by identifier, the first word of each header, from all files."""
    records: dict[str, list[str]] = {}
    for path in paths:
        for line in Path(path).read_text().splitlines():
            if line.startswith(">"):
                parts = records[line[1:].split()[0]] = []
            else:
                parts.append(line.strip())
    return {name: "".join(parts) for name, parts in records.items()}


def sound(bases: str) -> np.ndarray:
    """A tone for each base, without a break in phase: no instrument's, but a signal that varies."""
    pitch = np.repeat([TONES_HZ.get(base, 0.0) for base in bases], round(RATE_HZ * TONE_S))
    return np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ).astype(np.float32)


def clips(genome: str, count: int) -> list[str]:
    """Pieces of CLIP_BASES bases, evenly over the genome."""
    starts = np.linspace(0, len(genome) - CLIP_BASES, count).astype(int)
    return [genome[start : start + CLIP_BASES] for start in starts]
