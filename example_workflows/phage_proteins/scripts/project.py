"""The two directions along which an encoder's vectors vary most, and each protein's place there."""

from pathlib import Path

import numpy as np
from sequences import read_table, table


def principal_axes(vectors):
    """Coordinates (rows, 2) and the shares of the variance; each axis points to its far end."""
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    places = left[:, :2] * sizes[:2]
    far = np.abs(places).argmax(0)
    return places * np.sign(places[far, [0, 1]]), (sizes**2 / (sizes**2).sum())[:2]


def projection(vectors, genes):
    with np.load(vectors) as arrays:
        names, places = arrays["proteins"], arrays["vectors"].astype(np.float64)
    places, shares = principal_axes(places)
    rows = {row["protein"]: row for row in read_table(*genes)}
    taken = ("protein", "genome", "strand", "amino_acids")
    return table(
        (*taken, "pc1", "pc2", "share1", "share2"),
        [
            (*(rows[name][key] for key in taken), *map(float, (*place, *shares)))
            for name, place in zip(names, places, strict=True)
        ],
    )


def main(job):
    text = projection(job.input.vectors, job.input.genes)
    Path(job.output[0]).write_text(text)
    Path(job.log[0]).write_text(f"{len(text.splitlines()) - 1} proteins\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here
