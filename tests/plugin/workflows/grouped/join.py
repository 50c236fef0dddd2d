# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
with open(snakemake.output[0], "w") as out:
    for path in snakemake.input:
        with open(path) as part:
            out.write(part.read())
