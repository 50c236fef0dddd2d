"""Real processes at one state folder, told what to do and killed; none outlives its test."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench_folder import entries
from family import Family, bare_environment
from waiting import GIVE_UP_S

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"

BENCH = "hardware:\n  gpus:\n    - {name: card, vram_gb: 4.0, simulated: true}\n"


@dataclass(slots=True)
class Process:
    """A process that answers orders, one line each."""

    popen: subprocess.Popen[str]

    def told(self, *words: str) -> str:
        """Its answer to an order; fails the test when none comes."""
        self.order(*words)
        return self.answer()

    def order(self, *words: str) -> None:
        self.popen.stdin.write("\t".join(words) + "\n")
        self.popen.stdin.flush()

    def has_answered_within(self, seconds: float) -> bool:
        return bool(select.select([self.popen.stdout], [], [], seconds)[0])

    def answer(self) -> str:
        line = self.popen.stdout.readline() if self.has_answered_within(GIVE_UP_S) else ""
        assert line, f"no answer; exit status {self.popen.poll()}"
        return line.rstrip("\n")

    def kill(self) -> None:
        """SIGKILL to this one process alone."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        os.kill(self.popen.pid, signal.SIGSTOP)


@dataclass(slots=True)
class Engine(Process):
    """An engine with a broker of its own; jobs are named `engine.job`.

    mark: follows its name, since who carries that is looked for all over the machine.
    """

    name: str = ""
    mark: str = ""

    def ask(self, job: str, vram_mb: int | None = None) -> bool:
        """True when the job was admitted at once; without a size it wants the card whole."""
        return self._id(job) in self.told("ask", self._id(job), str(vram_mb or "whole")).split()

    def is_admitted_within(self, seconds: float, job: str) -> bool:
        """Poll as the dispatcher does, until the job starts or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._id(job) in self.told("poll").split():
                return True
            time.sleep(0.05)
        return False

    def run(self, job: str, script: str) -> int:
        """Start an admitted job as the executor does; returns the pid of its shell."""
        return int(self.told("run", self._id(job), script))

    def finish(self, job: str) -> None:
        self.told("finish", self._id(job))

    def leave(self) -> None:
        assert self.told("leave") == "left"

    def _id(self, job: str) -> str:
        return f"{self.name}{self.mark}.{job}"


@dataclass(slots=True)
class Machine:
    """One machine's state folder and every process that a test starts at it."""

    root: Path
    state: Path
    environ: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)
    mark: str = field(default_factory=lambda: f"-{uuid.uuid4().hex}")

    def engine(self, name: str, patience_s: float = 60) -> Engine:
        marked = f"{name}{self.mark}"
        popen = self.start([PROGRAMS / "engine.py", self.state, marked, patience_s])
        engine = Engine(popen, name, self.mark)
        assert engine.answer() == "up"
        return engine

    def storm(self, name: str, log: Path, rounds: int) -> Process:
        """An engine that waits for a line and then hurries through its rounds."""
        return Process(self.start([PROGRAMS / "storm.py", self.state, name, log, rounds]))

    def snakemake(self, name: str, snakefile: str, *targets: str) -> subprocess.Popen[str]:
        """Start Snakemake with nvinx in a folder of that name, made when it is not there."""
        work = self.root / name
        work.mkdir(exist_ok=True)
        work.joinpath("Snakefile").write_text(snakefile)
        work.joinpath("nvinx.yaml").write_text(BENCH)
        options = ["--executor", "nvinx", "--cores", "4", "--jobs", "20"]
        return self.start(["-m", "snakemake", *options, *targets], work)

    def start(self, args: list[object], cwd: Path | None = None) -> subprocess.Popen[str]:
        errors = {"stderr": None} if cwd is None else {}
        words = [sys.executable, *args]
        where = cwd or self.root
        return self.family.start(words, where, self._environment(), stdin=subprocess.PIPE, **errors)

    def text(self, popen: subprocess.Popen[str]) -> str:
        """All that a process said until its end; TimeoutExpired when it does not end."""
        return popen.communicate(timeout=GIVE_UP_S)[0]

    def leases(self) -> set[str]:
        return {self._plain(lease.id) for lease in entries(self.state)[0]}

    def requests(self) -> set[str]:
        return {self._plain(request.id) for request in entries(self.state)[1]}

    def lock_files(self) -> set[str]:
        return {self._plain(path.name) for path in (self.state / "life").glob("*.lock")}

    def shells(self) -> set[str]:
        folder = self.state / "shells"
        return {str(path.relative_to(folder)) for path in folder.rglob("*")}

    def _plain(self, name: str) -> str:
        return name.replace(self.mark, "")

    def _environment(self) -> dict[str, str]:
        return {**bare_environment(self.root / "home", self.state), **self.environ}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, tmp_path / "state")
    yield made
    made.family.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, mounted below the test's folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a small disk needs the mount program")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
