# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
if snakemake.resources.tries < 2:
    raise ValueError("not yet")
with open(snakemake.output[0], "w") as out:
    print("try", snakemake.resources.tries, file=out)
