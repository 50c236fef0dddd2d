# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import json
import os
import sys
from pathlib import Path

from beside import shifted

words = Path(snakemake.input.words).read_text().split()
with open(snakemake.log[0], "w") as log:
    print("rule", snakemake.rule, file=log)
answer = {
    "shifted": shifted(words, snakemake.params.shift),
    "folder": os.path.basename(snakemake.scriptdir),
    "here": os.getcwd() == str(Path(snakemake.output[0]).absolute().parents[1]),
    "arguments": len(sys.argv),
    "config": snakemake.config,
}
Path(snakemake.output[0]).write_text(json.dumps(answer, indent=1))
