# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import seen

seen.write(snakemake.output[0])
