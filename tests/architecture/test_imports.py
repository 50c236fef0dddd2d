"""Importing nvinx is light and silent, also where there is no GPU, driver or state folder."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "matplotlib",
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

WITH_STRUCTS = (*HEAVY, "msgspec")

CORE = Path(__file__).parents[2] / "core" / "nvinx"
MODULES = [path for path in sorted(CORE.rglob("*.py")) if "site" not in path.parts]
AT_ONCE = {"nvinx", "msgspec", *sys.stdlib_module_names}  # all else is loaded when it is asked for


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
    code = f"import nvinx, sys; print(*[m for m in {WITH_STRUCTS} if m in sys.modules])"
    assert fresh(code) == ("\n", "")


def _at_its_head(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_other_libraries_are_loaded_when_they_are_needed(path):
    allowed = AT_ONCE | ({"click"} if path.parent.name == "cli" else set())
    assert {name.partition(".")[0] for name in _at_its_head(path)} <= allowed


@pytest.mark.parametrize("module", ["nvinx.placement", "nvinx.interference", "nvinx.substrate"])
def test_what_jobs_import_is_light_too(module):
    code = f"import {module}, sys; print(*[m for m in {WITH_STRUCTS} if m in sys.modules])"
    assert fresh(code) == ("\n", "")


@pytest.mark.parametrize("module", ["nvinx.patterns", "nvinx.jobs.hints", "nvinx.leases.broker"])
def test_what_decides_loads_nothing_heavy_but_what_its_values_are_made_with(module):
    code = f"import {module}, sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    assert fresh(code) == ("\n", "")


def test_importing_the_plugin_is_silent_and_adds_nothing_heavy_to_snakemake():
    code = (
        "import snakemake_interface_executor_plugins.executors.real, sys\n"
        "before = set(sys.modules)\n"
        "import snakemake_executor_plugin_nvinx\n"
        f"print(*[m for m in {WITH_STRUCTS} if m in sys.modules and m not in before])"
    )
    assert fresh(code) == ("\n", "")


@pytest.mark.parametrize(
    ("library", "packages"),
    [("pynvml", {"gpu"}), ("sqlite3", {"leases", "history"})],
)
def test_only_their_own_packages_talk_to(library, packages):
    talks = {p.relative_to(CORE).parts[0] for p in MODULES if f"import {library}" in p.read_text()}
    assert talks <= packages
