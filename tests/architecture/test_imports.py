"""Importing nvinx is light and silent, also where there is no GPU, driver or state folder."""

import subprocess
import sys

import pytest

HEAVY = (
    "matplotlib",
    "msgspec",
    "numpy",
    "scipy",
    "pynvml",
    "psutil",
    "yaml",
    "snakemake",
    "rich",
    "click",
    "sqlite3",
)


def fresh(code, **env):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_importing_nvinx_imports_nothing_heavy():
    code = f"import nvinx, sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    assert fresh(code) == ("\n", "")


@pytest.mark.parametrize(
    "module",
    [
        "nvinx.placement",
        "nvinx.patterns",
        "nvinx.jobs.hints",
        "nvinx.leases.broker",
        "nvinx.interference",
    ],
)
def test_what_jobs_and_programs_import_is_light_too(module):
    code = f"import {module}, sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    assert fresh(code) == ("\n", "")


def test_importing_the_plugin_is_silent_and_adds_nothing_heavy_to_snakemake():
    code = (
        "import snakemake_interface_executor_plugins.executors.real, sys\n"
        "before = set(sys.modules)\n"
        "import snakemake_executor_plugin_nvinx\n"
        f"print(*[m for m in {HEAVY} if m in sys.modules and m not in before])"
    )
    assert fresh(code) == ("\n", "")
