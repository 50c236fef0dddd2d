"""Runs a workflow in a folder of its own, with stock Snakemake or with nvinx."""

from __future__ import annotations

import importlib.util
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from family import Family, bare_environment
from waiting import GIVE_UP_S

from nvinx.runs import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).parent
WORKFLOWS = HERE / "workflows"
GOLDEN = "expected.txt"
NO_EXECUTOR = "snakemake_executor_plugin_nvinx cannot be imported here"


def has_executor() -> bool:
    """True when the plugin is there; a plugin that is there but broken counts as there."""
    spec = importlib.util.find_spec("snakemake_executor_plugin_nvinx")
    return spec is not None and spec.origin is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Snakemake process ended: exit status, all it said, and the files it left.

    files: relative path to contents, without Snakemake's own folder and without what was there
    in the workflow's source. Timings are reduced to what does not vary.
    """

    status: int
    text: str
    files: Mapping[str, str]

    def tree(self) -> str:
        """The files as one text, which is what an `expected.txt` holds."""
        return "".join(f"== {path}\n{self.files[path]}" for path in sorted(self.files))


@dataclass(slots=True)
class Workspace:
    """A copy of one workflow, with a home and a state folder that nothing else uses."""

    root: Path
    engine: str
    state_dir: Path
    environ: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def path(self, name: str) -> Path:
        return self.work / name

    def put_on_path(self, folder: Path) -> None:
        """Let programs in this folder come before all others."""
        self.environ["PATH"] = f"{folder}:{self._environment()['PATH']}"

    def record(self) -> str:
        """The trace of the last run."""
        return trace.latest(self.work).read_text()

    def read(self, name: str) -> str:
        return self.path(name).read_text()

    def write(self, name: str, text: str) -> Path:
        """Make a file, and the folders above it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *args: str, cores: int = 4) -> Outcome:
        """Run Snakemake to its end."""
        process = self.start(*args, cores=cores)
        text = self.wait(process)
        return Outcome(process.returncode, text, self.files())

    def start(self, *args: str, cores: int = 4) -> subprocess.Popen[str]:
        """Start Snakemake in a process group of its own."""
        return self.start_plainly(*self._options(cores), *args)

    def start_plainly(self, *args: str) -> subprocess.Popen[str]:
        """The same with no options but these."""
        words = [sys.executable, "-m", "snakemake", *args]
        return self.family.start(words, self.work, self._environment())

    def wait(self, process: subprocess.Popen[str]) -> str:
        """What the process said until its end."""
        return process.communicate(timeout=GIVE_UP_S)[0].replace(str(self.work), ".")

    def nvinx(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The command in the workflow's folder."""
        return subprocess.run(
            [sys.executable, "-c", "from nvinx.cli import main; main()", *args],
            cwd=self.work,
            env={**self._environment(), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self) -> dict[str, str]:
        found = {}
        for path in self.work.rglob("*"):
            name = str(path.relative_to(self.work))
            if ".snakemake" in name or name.startswith(".nvinx") or self._is_source(path):
                continue
            if path.is_dir():
                if not any(path.iterdir()):
                    found[name + "/"] = "(an empty folder)\n"
            else:
                found[name + _read_only(path)] = self._contents(path)
        return found

    def _options(self, cores: int) -> list[str]:
        options = ["--cores", str(cores)]
        if self.engine == "nvinx":
            options += ["--executor", "nvinx", "--jobs", "50"]
            if self.path("nvinx.yaml").exists():
                options += ["--nvinx-bench", "nvinx.yaml"]
        return options

    def _environment(self) -> dict[str, str]:
        stock = {} if self.engine == "nvinx" else {"PYTHONPATH": ""}
        return {
            **bare_environment(self.home, self.state_dir),
            **stock,
            "GREETING": "hello",
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_STATE_HOME": str(self.home / "state"),
            **self.environ,
        }

    def _is_source(self, path: Path) -> bool:
        return (self.root / "source" / path.relative_to(self.work)).is_file()

    def _contents(self, path: Path) -> str:
        text = path.read_text()
        if path.parent.name == "benchmarks":
            header, *rows = text.splitlines()
            return f"{' '.join(header.split())}\n({len(rows)} rows)\n"
        text = text.replace(str(self.work), "WORK").replace(str(self.home), "HOME")
        return text if not text or text.endswith("\n") else text + "\n"


def _read_only(path: Path) -> str:
    return "" if path.stat().st_mode & stat.S_IWUSR else " (read-only)"


@pytest.fixture
def expected() -> Callable[[str], str]:
    """What stock Snakemake leaves after a workflow, as `Outcome.tree` writes it."""
    return lambda workflow: (WORKFLOWS / workflow / GOLDEN).read_text()


@pytest.fixture(params=["stock", "nvinx"])
def engine(request: pytest.FixtureRequest) -> str:
    """Both ways to run a workflow."""
    if request.param == "nvinx" and not has_executor():
        pytest.skip(NO_EXECUTOR)
    return request.param


@pytest.fixture
def executor() -> None:
    """For tests that make sense with nvinx only."""
    if not has_executor():
        pytest.skip(NO_EXECUTOR)


@pytest.fixture
def make_workspace(tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    """Copies of workflows: `make_workspace("streams", "stock")`; names keep several apart."""
    made: list[Workspace] = []

    def make(workflow: str, engine: str = "nvinx", name: str = "run") -> Workspace:
        workspace = Workspace(tmp_path / name, engine, tmp_path / "nvinx-state")
        ignored = shutil.ignore_patterns(GOLDEN)
        for copy in ("source", "work"):
            shutil.copytree(WORKFLOWS / workflow, workspace.root / copy, ignore=ignored)
        made.append(workspace)
        return workspace

    yield make
    for workspace in made:
        workspace.family.close()
