"""How alike two encoders see the proteins: linear CKA (S. Kornblith et al., ICML 2019).

1 when one encoder's vectors are the other's, turned and scaled; 0 when they have nothing in common.
"""

from pathlib import Path

import numpy as np
from sequences import table


def centred(path):
    with np.load(path) as arrays:
        vectors = arrays["vectors"].astype(np.float64)
    return vectors - vectors.mean(0)


def cka(one, other):
    cross = np.linalg.norm(one.T @ other) ** 2
    return float(cross / (np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)))


def main(job):
    names, spaces = job.params.encoders, [centred(path) for path in job.input]
    lines = [(n, *(cka(a, b) for b in spaces)) for n, a in zip(names, spaces, strict=True)]
    Path(job.output[0]).write_text(table(("encoder", *names), lines))
    Path(job.log[0]).write_text(f"{len(names)} encoders\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here
