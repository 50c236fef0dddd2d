# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
from snakemake.shell import shell

shell("echo from a shell, $OMP_NUM_THREADS threads > {snakemake.output[0]}")
shell(
    "(true; set -o | grep -E 'errexit|nounset|pipefail' | tr -s ' \\t' ' ') >> {snakemake.output[0]}"
)
first = shell("head -n 1 {snakemake.output[0]}", read=True)
rest = list(shell("seq 3", iterable=True))
with open(snakemake.output[0], "a") as out:
    print(first.strip(), rest, file=out)
