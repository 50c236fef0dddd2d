"""Builds the tests' own libnvidia-ml.so.1."""

import shutil
import subprocess
from pathlib import Path

import pytest

SHIM = Path(__file__).with_name("fake_nvml.c")


def build(folder: Path, *flags: str) -> Path:
    """The folder, with the library in it; skips where there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not here, so the test's own libnvidia-ml.so.1 cannot be built")
    target = folder / "libnvidia-ml.so.1"
    command = [compiler, "-Wall", "-Werror", "-shared", "-fPIC", *flags, "-o", target, SHIM]
    subprocess.run(command, check=True)
    return folder
