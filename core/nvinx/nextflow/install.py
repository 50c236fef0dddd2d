"""Nextflow's own folder, where it looks for plugins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.errors import NextflowError
from nvinx.nextflow import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping


def plugins(environ: Mapping[str, str]) -> Path:
    """Where Nextflow keeps its plugins."""
    if environ.get("NXF_PLUGINS_DIR"):
        return Path(environ["NXF_PLUGINS_DIR"])
    home = environ.get("NXF_HOME")
    return (Path(home) if home else Path.home() / ".nextflow") / "plugins"


def install_plugin(folder: Path) -> Path:
    """Copy the plugin there, and replace one of the same version. Raises NextflowError."""
    source = shipped.plugin()
    target = folder / source.name
    part = folder / f".{source.name}.part"
    try:
        for old in (part, target):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source, part)
        part.rename(target)
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise NextflowError(str(target), problem, "name a writable folder with --to") from error
    return target
