# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
with open(snakemake.output[0], "w") as out:
    print(snakemake.resources.vram_mb, file=out)
