"""The Slurm plugin, which `make test` installs aside: any Snakemake that finds it starts later."""

import importlib.util
import sys
from pathlib import Path

FOLDER = str(Path(sys.prefix) / "slurm")
WITH_PLUGIN = {"PYTHONPATH": FOLDER}

if FOLDER not in sys.path:
    sys.path.append(FOLDER)


def is_here() -> bool:
    return importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
