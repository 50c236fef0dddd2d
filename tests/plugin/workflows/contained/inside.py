# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import os

with open(snakemake.output[0], "w") as out:
    print("in", os.environ.get("CONTAINER", "none"), file=out)
