# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
from pathlib import Path

Path("litter.script").write_text("litter")
Path(snakemake.output[0]).write_text(f"{'shadow' in str(Path.cwd())}\n")
