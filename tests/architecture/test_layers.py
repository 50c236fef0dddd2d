"""Who may import whom. The table is the architecture; these tests keep it true."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each line may import what stands above it, and nothing below or beside. Whole packages, or modules
# of their own. `*`: pure, with no clock, file, process or GPU, nor anything that has one.
FLOORS = """
errors sizes reasons residency
catalog formatting host gpu
jobs* overflow staging interference substrate
bench history placement calibration
admission*
leases simulation* patterns
runs metrics slurm nextflow testing
cli snakemake_executor_plugin_nvinx snakemake_report_plugin_nvinx
snakemake_executor_plugin_nvinx_slurm
"""
FLOOR = {
    name.rstrip("*"): number
    for number, line in enumerate(FLOORS.split("\n"))
    for name in line.split()
}
PURE = {name.rstrip("*") for name in FLOORS.split() if name.endswith("*")}
IMPURE = {
    "os",
    "io",
    "pathlib",
    "glob",
    "shutil",
    "tempfile",
    "mmap",
    "fcntl",
    "sqlite3",
    "socket",
    "select",
    "urllib",
    "http",
    "ssl",
    "subprocess",
    "multiprocessing",
    "threading",
    "concurrent",
    "asyncio",
    "signal",
    "ctypes",
    "resource",
    "time",
    "datetime",
    "platform",
    "logging",
    "secrets",
    "uuid",
    "importlib",
    "psutil",
    "pynvml",
    "torch",
}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
SOURCES = [ROOT / "core" / "nvinx", *ROOT.glob("snakemake_*_plugin_*")]
# The front doors hand on what lies in the house; what jobs load may import nothing of it.
NO_ROOM = ("nvinx", "nvinx.__main__", "nvinx.site")
FRONT_DOORS = ("__init__", "__main__")


def _modules():
    for source in SOURCES:
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source.parent).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            if name not in NO_ROOM and not name.startswith("nvinx.site."):
                yield name, path


MODULES = dict(_modules())


def imports(path):
    """Everything that a file imports: at its head, inside functions, and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


USES = {name: {m for m in imports(path) if m != name} for name, path in MODULES.items()}


def room(module):
    """The package, or the module of its own, that the table names."""
    return module.removeprefix("nvinx.").partition(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_place(name):
    assert room(name) in FLOOR


def test_the_table_names_nothing_that_is_not_there():
    assert {room(name) for name in MODULES} == FLOOR.keys()


@pytest.mark.parametrize("name", MODULES)
def test_no_import_runs_upwards_or_across(name):
    others = {used for used in USES[name] & MODULES.keys() if room(used) != room(name)}
    assert not {used for used in others if FLOOR[room(used)] >= FLOOR[room(name)]}


def test_no_modules_import_each_other_in_a_circle():
    left = {name: uses & MODULES.keys() for name, uses in USES.items()}
    while free := [name for name, uses in left.items() if not uses & left.keys()]:
        for name in free:
            del left[name]
    assert not left


def _says_pure(path):
    return "Pure." in (ast.get_docstring(ast.parse(path.read_text())) or "")


def _calls(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    return {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


@pytest.mark.parametrize(
    "name", [name for name, path in MODULES.items() if room(name) in PURE or _says_pure(path)]
)
def test_what_is_pure_reaches_no_clock_file_process_or_gpu(name):
    reached, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += USES.get(module, ())
    assert not {module.partition(".")[0] for module in reached} & IMPURE
    assert (
        not {call for m in reached & MODULES.keys() for call in _calls(MODULES[m])} & IMPURE_CALLS
    )


@pytest.mark.parametrize("name", MODULES)
def test_nobody_inside_comes_in_by_the_front_door(name):
    assert "nvinx" not in USES[name]


def test_what_jobs_load_needs_the_standard_library_alone():
    for path in (ROOT / "core" / "nvinx" / "site").glob("*.py"):
        at_its_head = ast.parse(path.read_text()).body
        names = [a.name for n in at_its_head if isinstance(n, ast.Import) for a in n.names]
        names += [n.module for n in at_its_head if isinstance(n, ast.ImportFrom)]
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
        assert not [name for name in imports(path) if name.startswith("nvinx")]


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("nvinx.")])
def test_the_core_knows_no_workflow_engine(name):
    assert not {module for module in USES[name] if module.startswith("snakemake")}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("snakemake_exec")])
def test_private_names_of_snakemake_stand_in_one_file(name):
    if name.endswith(".snakemake_internals"):
        return
    private = {
        n.attr
        for n in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(n, ast.Attribute)
        and n.attr.startswith("_")
        and not n.attr.startswith("__")
        and not (isinstance(n.value, ast.Name) and n.value.id in ("self", "cls"))
    }
    assert not private


def test_few_modules_stand_beside_the_packages_and_the_floors_are_few():
    beside = {path.stem for path in (ROOT / "core" / "nvinx").glob("*.py")}
    assert len(beside.difference(FRONT_DOORS)) <= 9
    assert len(FLOORS.split("\n")) - 2 <= 9


def test_contributing_shows_the_same_table():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [line.strip() for line in page.splitlines() if line.startswith("    ")] == (
        FLOORS.strip().splitlines()
    )


def test_no_python_file_shadows_the_nextflow_package_and_the_core_is_no_package():
    assert not list((ROOT / "nextflow").rglob("*.py"))
    assert not (ROOT / "core" / "__init__.py").exists()
    assert not (ROOT / "tests" / "__init__.py").exists()
