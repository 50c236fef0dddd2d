# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import subprocess
from pathlib import Path

out = Path(snakemake.output[0])
out.write_text("half\n")
subprocess.run(["sleep", str(snakemake.params.nap)], check=True)
out.write_text("whole\n")
