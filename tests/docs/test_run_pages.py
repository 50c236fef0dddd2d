"""What the pages tell people to type runs, from top to bottom, and prints what they show.

A page starts in a copy of the repository: a README in its own folder, others in the root. Shell and
Python blocks run; a block after a sentence that ends with a file's name and a colon is written to
that file, and a `diff` block is applied to it; a text block must be in the output of the block that
ran before it, numbers with a fraction or a unit aside. A command whose comment begins with `fails`
must fail. `EXEMPT` has what cannot run here.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import aside
import cached_nextflow
import pytest
from cluster import Cluster
from pages import PAGES, ROOT, Block, blocks, commands, name
from programs import missing
from waiting import GIVE_UP_S

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_INS = Path(__file__).parent / "stand_ins"  # what pages take from the reader's own work
RUN, SHOWN = ("sh", "python"), ("", "text")
LEFT_OUT = (
    ".git",
    ".venv*",
    "_build",
    ".snakemake",
    ".nvinx",
    "results",
    "logs",
    ".*_cache",
    "__pycache__",
)

# Page, start of the command or of the block, and why it is not run.
EXEMPT = (
    ("*", "pip install", "asks a package registry"),
    ("*", "pip uninstall", "changes the environment that the tests run in"),
    ("*", "make ", "sets up environments from a package registry; CI runs these"),
    ("*/calibrate.md", "nvinx calibrate --command embed", "takes minutes on a card"),
    ("docs/side-by-side.md", "python bench", "takes minutes; tests/benchmarks has its programs"),
    ("*/learned_vram/*", "snakemake ", "is run by tests/examples"),
    ("*/urgent-jobs.md", "rule fold", "its like is run by tests/plugin/test_preemption.py"),
    ("*/urgent-jobs.md", "process LONG", "its like is run by tests/nextflow/test_every_task.py"),
    ("*/urgent-jobs.md", "import signal", "its like is run by tests/leases/test_preemption.py"),
    ("*/servers.md", "trap ", "its like is run by tests/leases/test_budgets.py"),
    ("*/hints.md", "rule fold", "its like is run by tests/examples, as learned_vram"),
    ("*/hints.md", "rule embed", "its like is run by the page parts-of-a-card"),
    ("*/hints.md", "rule train", "its like is run by the page several-cards"),
    ("*/learned_vram/*", "rule fold", "is of the Snakefile that tests/examples runs"),
    ("*/phage_proteins/*", "snakemake ", "is run by tests/examples and by the tutorial"),
    ("*/phage_proteins_nextflow/*", "nextflow ", "is run, shorter, by tests/nextflow"),
    ("*/split_models/*", "", "needs torch; `make test-models` runs it"),
    ("evidence/*", "", "needs a card and an hour; evidence/tests runs it on CPU workers"),
    ("tests/traces/README.md", "{", "shows a line's form; evidence/tests reads such lines"),
    ("nextflow/README.md", "nvinx nextflow inst", "needs `make nextflow`; tests/nextflow has it"),
    ("nextflow/README.md", "nextflow run -plugins", "needs the same"),
    ("nextflow/plugin/README.md", "nvinx", "is run by the page nextflow/README.md"),
    ("nextflow/plugin/README.md", "nextflow run", "needs the plugin; tests/nextflow has it"),
    ("nextflow/plugin/README.md", "process {", "shows a form; tests/nextflow gives the like"),
)


def reason(page: Path, text: str) -> str | None:
    for pattern, start, why in EXEMPT:
        if fnmatch(name(page), pattern) and text.lstrip().startswith(start):
            return why
    return None


def without_exempt(page: Path, block: Block) -> Block | None:
    """The block with the commands that can run here; None when nothing is left of it."""
    if block.language != "sh":
        return None if reason(page, block.body) else block
    left = [command for command in commands(block.body) if not reason(page, command)]
    return replace(block, body="".join(left)) if left else None


def runs(page: Path) -> bool:
    return any(block.language in RUN or block.file for block in blocks(page))


def shell_lines(page: Path) -> list[str]:
    """The commands of the page that are run."""
    lines = [line for block in blocks(page, "sh") for line in commands(block.body)]
    return [line for line in lines if not reason(page, line)]


def masked(line: str) -> str:
    """What does not vary: no times, shares and fractions, no bars, no width of columns."""
    line = re.sub("─+", "─", line.partition("▌")[0])
    line = re.sub(r"\d+ (?:h \d+ min|min \d+ s)\b", "0 s", line)
    line = re.sub(r"\d+\.\d+|\b\d+(?= ?(?:s|ms|GB|MB)\b|%)", "N", line)
    return " ".join(line.split())


def demand_shown(block: Block, output: str) -> None:
    there = [masked(line) for line in output.splitlines()]
    for line in block.body.splitlines():
        shown, more, _ = masked(line).partition("...")
        found = any(each.startswith(shown) if more else each == shown for each in there)
        assert found or not shown, f"line {block.line}: {line!r} is not in:\n{output}"


def demand_programs(page: Path) -> None:
    if any(line.startswith("nextflow ") for line in shell_lines(page)):
        cached_nextflow.demand()


def script(body: str) -> str:
    """The commands, of which each must succeed, or fail where its comment says so."""
    lines = ["set -eo pipefail"]
    for command in commands(body):
        told, comment, _ = command.partition("  # fails")
        if comment:
            told = f"if {told.strip()}; then echo 'This did not fail.'; exit 97; fi\n"
        lines.append(told.rstrip("\n"))
    return "\n".join([*lines, 'pwd > "$KEPT/folder"', 'env -0 > "$KEPT/environment"', ""])


@dataclass
class Session:
    """A shell in which one block runs after the other."""

    folder: Path
    kept: Path
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block) -> str:
        if block.language == "python":
            return self._run([sys.executable, "-"], block.body)
        output = self._run(["bash"], script(block.body))
        self.folder = Path((self.kept / "folder").read_text().rstrip("\n"))
        pairs = (self.kept / "environment").read_text().rstrip("\0").split("\0")
        self.environ = dict(pair.split("=", 1) for pair in pairs)
        return output

    def _run(self, words: list[str], text: str) -> str:
        """All that is written; ends what hangs, with all that it started."""
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(text, timeout=GIVE_UP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == 0, f"{text}\nended with {process.returncode}:\n{output}"
        return output

    def write(self, block: Block) -> None:
        path = self.folder / str(block.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        if block.language != "diff":
            path.write_text(block.body)
            return
        old, new = (
            "".join(line[1:] for line in block.body.splitlines(True) if line[0] in f" {sign}")
            for sign in "-+"
        )
        assert path.read_text().count(old) == 1, f"line {block.line}: not once in {path}:\n{old}"
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NVINX_", "NXF_", "XDG_"))}
    programs = (Path(sys.executable).parent, cached_nextflow.FOLDER, os.environ["PATH"])
    for folder in ("home", "kept"):
        (tmp_path / folder).mkdir()
    shutil.copytree(ROOT, tmp_path / "nvinx", ignore=shutil.ignore_patterns(*LEFT_OUT))
    environ = {
        **clean,
        "PATH": ":".join(map(str, programs)),
        "HOME": str(tmp_path / "home"),
        "KEPT": str(tmp_path / "kept"),
        "NVINX_STATE_DIR": str(tmp_path / "state"),
        "MPLCONFIGDIR": str(Path.home() / ".cache" / "matplotlib"),  # else it reads all fonts anew
        "COLUMNS": "100",
    }
    return Session(tmp_path / "nvinx", tmp_path / "kept", environ)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """A Slurm of two nodes, each with a card of four shards, as the page on clusters has it."""
    if missing() or not aside.is_here():
        pytest.skip("no slurm-wlm, munge or Slurm plugin here; tests/slurm says how to get them")
    with TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder) / "slurm") as cluster:
        yield cluster


def bring_stand_ins(page: Path, session: Session) -> None:
    folder = STAND_INS / page.stem
    if page.parent in (ROOT, ROOT / "docs") and folder.exists():
        shutil.copytree(folder, session.folder, dirs_exist_ok=True)
        if (folder / "make.py").exists():
            session.run(Block("sh", "python make.py", None, 0))


@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=name)
def test_a_page_does_what_it_says(page, session, request):
    demand_programs(page)
    if page.name == "cluster.md":
        cluster = request.getfixturevalue("slurm").environment | aside.WITH_PLUGIN
        session.environ |= {**cluster, "PATH": f"{cluster['PATH']}:{session.environ['PATH']}"}
        path = STAND_INS / "cluster" / "bin"
        session.environ["PATH"] = f"{path}:{session.environ['PATH']}"
    if page.name == "README.md":
        session.folder /= page.parent.relative_to(ROOT)
    bring_stand_ins(page, session)
    output = None
    for block in blocks(page):
        left = without_exempt(page, block)
        if left is None:
            output = None
        elif left.file:
            session.write(left)
        elif left.language in RUN:
            output = session.run(left)
        elif left.language in SHOWN and output is not None:
            demand_shown(left, output)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_written_compared_or_exempt(page):
    ran = False
    for block in blocks(page):
        ran = ran or block.language in RUN
        looked_at = block.language in (*RUN, "yaml") or (ran and block.language in SHOWN)
        assert looked_at or block.file or reason(page, block.body), f"line {block.line}"


def test_no_exemption_is_left_over():
    for pattern, start, _ in EXEMPT:
        found = [
            text
            for page in PAGES
            if fnmatch(name(page), pattern)
            for block in blocks(page)
            for text in [block.body, *commands(block.body)]
            if text.lstrip().startswith(start)
        ]
        assert found, (pattern, start)


def test_a_line_that_is_no_longer_printed_is_noticed():
    shown = Block("text", "job   waited\nembed   0.4 s ...\n", None, 1)
    demand_shown(shown, " job  waited\n embed  12.0 s  fits beside others\n")
    with pytest.raises(AssertionError, match="'embed"):
        demand_shown(shown, " job  waited\n fold  0.4 s\n")


@pytest.mark.parametrize("text", ["false\ntrue\n", "true  # fails: it should\n", "cd nowhere\n"])
def test_a_command_that_ends_otherwise_than_the_page_says_is_noticed(session, text):
    with pytest.raises(AssertionError, match="ended with"):
        session.run(Block("sh", text, None, 1))


def test_blocks_run_in_one_shell(session):
    session.run(Block("sh", "mkdir -p a/b\ncd a\nexport SAID=yes\nfalse  # fails\n", None, 1))
    session.write(Block("text", "one\ntwo\n", "b/file.py", 1))
    session.write(Block("diff", " one\n-two\n+three\n", "b/file.py", 1))
    assert session.run(Block("sh", "cat b/file.py; echo $SAID\n", None, 1)) == "one\nthree\nyes\n"
