# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
with open(snakemake.output[0], "w") as out:
    out.write("half")
raise RuntimeError("raised in a script")
