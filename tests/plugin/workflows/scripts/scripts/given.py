# ruff: noqa: F821  (Snakemake defines `snakemake` in scripts)
import json
import os
import tempfile

resources = snakemake.resources
answer = {
    "threads": snakemake.threads,
    "mem_mb": resources.mem_mb,
    "flavour": resources["flavour"],
    "undeclared": [n for n in ("disk_mb", "disk_mib", "runtime") if hasattr(resources, n)],
    "tmpdir is a folder": os.path.isdir(resources.tmpdir),
    "tmpdir is the default": resources.tmpdir == tempfile.gettempdir(),
}
with open(snakemake.output[0], "w") as out:
    json.dump(answer, out, indent=1)
