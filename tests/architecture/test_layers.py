"""Who may import whom. The table is the architecture; this test keeps it true."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "nvinx"
PLUGIN = ROOT / "snakemake_executor_plugin_nvinx"
SLURM_PLUGIN = ROOT / "snakemake_executor_plugin_nvinx_slurm"

# Each module may import what stands above it in this list, and nothing below.
PURE = [
    *("errors", "reasons", "sizes", "yaml_lines", "overflow"),
    *("interference.slowdown", "interference.latency", "interference.gamma", "interference"),
    "interference.notes",
    *(
        "catalog",
        "claim",
        "experience",
        "oom",
        "habits",
        "admission",
        "ladder",
        "company",
        "line",
        "outlook",
        "room",
        "policy",
        "rows",
        "ports",
        "strangers",
        "staging",
    ),
    *(
        "bench",
        "corun_text",
        "bench_text",
        "bench_draft",
        "explain",
        "patterns",
        "hints",
        "environment",
        "caps",
        "nextflow_task",
        "nextflow_config",
        "nextflow_check",
    ),
    *("cluster", "cluster_draft", "slurm_text", "slurm_task", "apart"),
    *(
        "workload",
        "workload_text",
        "simulate",
        "bound",
        "generate",
        "advice",
        "peers",
        "lanes",
        "testing",
        "testing_probe",
        "broker",
        "fit",
        "forms",
        "replay",
        "digest",
        "gauges",
        "alerts",
    ),
]
TOUCHES_MACHINE = [
    *("trace", "record", "placement", "substrate", "interference.model_file"),
    *("checkpoint", "skeleton", "gguf_file", "locks", "offload"),
]
KNOWN_BY_TYPE = {
    "lanes": {"record"},
    "replay": {"record"},
    "digest": {"record"},
    "gauges": {"host.view"},
    "fit": {"checkpoint"},
    "forms": {"placement"},
}
READS = {*TOUCHES_MACHINE} - {"interference.model_file"}
IMPURE_STDLIB = {
    *("os", "subprocess", "sqlite3", "socket", "threading", "time", "random", "logging", "signal"),
    *("tempfile", "shutil", "fcntl"),
}
SHELL = ("host", "calibration", "cli")
LATE_ONLY = {
    "matplotlib",
    "numpy",
    "scipy",
    "pynvml",
    "psutil",
    "yaml",
    "platformdirs",
    "humanfriendly",
    "rich",
    "safetensors",
    "torch",
    "transformers",
    "accelerate",
    "gguf",
    "bokeh",
    "prometheus_client",
}


def modules(folder):
    for path in sorted(folder.rglob("*.py")):
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        yield pytest.param(name, path, id=name)


def imports(path, *, at_import=False):
    """What a file imports: everything, or only what importing it pulls in."""
    tree = ast.parse(path.read_text())
    nodes = _run_at_import(tree) if at_import else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            yield node.module
            if node.module == "nvinx":
                yield from (f"nvinx.{alias.name}" for alias in node.names)


def _run_at_import(tree):
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node


def ours(path, **kw):
    return {m.removeprefix("nvinx.") for m in imports(path, **kw) if m.startswith("nvinx.")}


FOR_JOBS = ("__init__", "site.sitecustomize")
CORE_MODULES = [p for p in modules(CORE) if p.values[0] not in FOR_JOBS]


@pytest.mark.parametrize(("name", "path"), CORE_MODULES)
def test_every_module_has_its_place(name, path):
    assert name in PURE + TOUCHES_MACHINE or name.split(".")[0] in SHELL


@pytest.mark.parametrize(("name", "path"), [p for p in CORE_MODULES if p.values[0] in PURE])
def test_pure_modules_know_no_host_no_command_and_no_impure_module(name, path):
    used = ours(path)
    used -= KNOWN_BY_TYPE.get(name, set())
    assert not {m for m in used if m.split(".")[0] in {*SHELL, *READS}}
    allowed = {"generate": {"random"}, "testing": {"threading"}, "testing_probe": {"threading"}}
    allowed = allowed.get(name, set())
    roots = {m.split(".")[0] for m in imports(path)} - {"nvinx"}
    assert roots <= (sys.stdlib_module_names - IMPURE_STDLIB) | LATE_ONLY | allowed


@pytest.mark.parametrize(("name", "path"), [p for p in CORE_MODULES if p.values[0] in PURE])
def test_pure_modules_are_imported_in_one_direction(name, path):
    for used in ours(path, at_import=True):
        assert PURE.index(used) < PURE.index(name), f"{name} imports {used}"


@pytest.mark.parametrize(("name", "path"), CORE_MODULES)
def test_heavy_libraries_are_imported_late(name, path):
    at_import = {m.split(".")[0] for m in imports(path, at_import=True)}
    assert not at_import & LATE_ONLY


@pytest.mark.parametrize(("name", "path"), CORE_MODULES)
def test_only_two_files_talk_to_nvml_and_two_to_sqlite(name, path):
    roots = {m.split(".")[0] for m in imports(path)}
    assert "pynvml" not in roots or name in ("host.nvml", "host.meter")
    assert "sqlite3" not in roots or name in ("host.ledger", "host.history")


@pytest.mark.parametrize(("name", "path"), CORE_MODULES)
def test_the_core_knows_no_workflow_engine(name, path):
    assert not {m for m in imports(path) if m.startswith("snakemake")}
    if not name.startswith("cli"):
        assert not any(m == "cli" or m.startswith("cli.") for m in ours(path))


@pytest.mark.parametrize(("name", "path"), [*modules(PLUGIN), *modules(SLURM_PLUGIN)])
def test_private_names_of_snakemake_stand_in_one_file(name, path):
    if name == "internals":
        return
    private = {
        n.attr
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Attribute)
        and n.attr.startswith("_")
        and not n.attr.startswith("__")
        and not (isinstance(n.value, ast.Name) and n.value.id in ("self", "cls"))
    }
    assert not private


def test_no_python_file_shadows_the_nextflow_package_and_the_core_is_no_package():
    assert not list((ROOT / "nextflow").rglob("*.py"))
    assert not (ROOT / "core" / "__init__.py").exists()
    assert not (ROOT / "tests" / "__init__.py").exists()
