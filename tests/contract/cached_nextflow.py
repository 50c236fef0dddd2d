"""The Nextflow that `make nextflow` fetched, if it did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("NEXTFLOW_CACHE") or _CACHE / "nvinx-tests" / "nextflow")
PROGRAM = FOLDER / "nextflow"


def demand() -> None:
    """Skip the test where it is not there, and say why; in CI fail."""
    if PROGRAM.exists():
        return
    reason = f"no Nextflow in {FOLDER}: `make nextflow` brings one (needs Maven and Java 17)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def version() -> str:
    return (FOLDER / "version").read_text().strip()
