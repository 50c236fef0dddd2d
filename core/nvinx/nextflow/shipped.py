"""The files for Nextflow that come with nvinx: in the package, or in the checkout it runs from."""

from __future__ import annotations

from pathlib import Path

from nvinx.errors import NextflowError

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "_nextflow", _PACKAGE.parents[1] / "nextflow")
GUARD, CONFIG = "guard.sh", "nvinx.config"
CONTAINERS = "containers/docker"


def file(name: str) -> Path:
    """One of them. Raises NextflowError where nvinx was installed without."""
    found = next((place / name for place in _PLACES if (place / name).is_file()), None)
    if found is None:
        raise NextflowError(name, "was not installed with nvinx", "install nvinx again")
    return found


def plugin() -> Path:
    """The built plugin's folder. Raises NextflowError where it was not built."""
    found = sorted((_PACKAGE / "_nextflow" / "plugin").glob("nf-nvinx-*"))
    if not found:
        fix = "`make nextflow-plugin` in a clone of nvinx (needs Maven and Java 17), or do without"
        raise NextflowError("the plugin", "was not built with this nvinx", fix)
    return found[-1]
