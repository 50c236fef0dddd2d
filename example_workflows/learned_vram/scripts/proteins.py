"""Proteins by chance, the same ones each time. Each file is named after the number of residues."""

import random
import sys
from pathlib import Path

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"

for file in map(Path, sys.argv[1:]):
    chance = random.Random(file.stem)
    protein = "M" + "".join(chance.choices(AMINO_ACIDS, k=int(file.stem) - 1))
    file.write_text(f">protein of {file.stem} residues\n{protein}\n")
