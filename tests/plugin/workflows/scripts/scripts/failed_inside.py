# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import subprocess

from snakemake.shell import shell

try:
    shell("exit 7 | cat")
except subprocess.CalledProcessError as failure:
    with open(snakemake.output[0], "w") as out:
        print("exit status", failure.returncode, file=out)
