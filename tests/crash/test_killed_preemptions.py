"""Kill -9 in the middle of preemptions: no job is lost, none runs twice at a time, none overbooks.

A long job agreed to give its card back, an urgent one asks for it, and meanwhile somebody is
killed: an engine, a job, or a shell between. In the first round nobody is, so that there is a
preemption for certain. `make test-crash` plays 200 rounds; NVINX_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench_folder import entries
from family import kill_tree, tree
from waiting import GIVE_UP_S

from nvinx.bench import machine
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.leases.client import LeaseClient

sys.path.insert(0, str(Path(__file__).parent / "programs"))

import gpu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = int(os.environ.get("NVINX_CRASH_ROUNDS", "8"))
SEED = os.environ.get("NVINX_CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
BENCH = "hardware: {cpu_cores: 8, gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
WORKFLOW = """
rule job:
    output: "{name}"
    resources: {size}, preemptible="{how}"
    shell: "{job} && touch {{output}}"
"""
LONG_S = 1.5


class Round:
    """One long job and an urgent one, each with its engine."""

    def __init__(self, folder: Path, draw: random.Random, number: int) -> None:
        self.folder, self.draw, self.number = folder, draw, number
        self.environ = {**os.environ, "NVINX_STATE_DIR": str(folder / "state")}
        self.environ.pop("NVINX_JOB", None)
        self.engines: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: set[int] = set()

    def start_long(self) -> None:
        name, how = self.long, self.draw.choice(["requeue", "signal:@1"])
        mb = self.draw.choice([3000, 4000])
        if self.draw.random() < 0.2:
            self._start_workflow(name, how, mb)
        else:
            self._start(self._job(name, mb, LONG_S, self.gate), name, mb, "--preemptible", how)

    def start_urgent(self) -> None:
        mb = self.draw.choice([2000, 4000])
        self._start(self._job(self.urgent, mb, 0.2), self.urgent, mb, "--urgent")

    def _job(self, name: str, mb: int, seconds: float, *gate: Path) -> str:
        words = (sys.executable, "-S", gpu.__file__, self.folder, name, mb, seconds, "plain", *gate)
        return f"trap : USR1; {' '.join(map(str, words))} && echo {name} >> {self.folder}/done"

    def _start(self, script: str, name: str, mb: int, *words: str) -> None:
        size = [] if mb == gpu.CARD_MB else ["--vram", f"{mb}MB"]
        code = "from nvinx.cli import main; main()"
        job = ["bash", "-c", script]
        options = ["run", "--quiet", "--name", name, *size, *words]
        self._popen(name, [sys.executable, "-c", code, *options, "--", *job], self.folder)

    def _start_workflow(self, name: str, how: str, mb: int) -> None:
        folder = self.folder / f"workflow{self.number}"
        folder.mkdir()
        size = "gpu=1" if mb == gpu.CARD_MB else f"vram_mb={mb}"
        job = self._job(name, mb, LONG_S, self.gate)
        text = WORKFLOW.format(name=name, size=size, how=how, job=job)
        (folder / "Snakefile").write_text(text)
        words = ["--executor", "nvinx", "--quiet", "all"]
        words += ["--nvinx-bench", str(self.folder / "nvinx.yaml")]
        self._popen(name, [sys.executable, "-m", "snakemake", *words], folder)

    def _popen(self, name: str, words: list[str], folder: Path) -> None:
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        self.engines[name] = subprocess.Popen(
            words, cwd=folder, env=self.environ, stderr=subprocess.DEVNULL, **silent
        )

    def kill_somebody(self) -> None:
        """An engine, a job, or what stands between."""
        pids = sorted(pid for engine in self.engines.values() for pid in tree(engine.pid))
        if pids:
            pid = self.draw.choice(pids)
            self.killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def watch(self, until: Callable[[], bool], limit_s: float = GIVE_UP_S) -> None:
        """Look at who uses the card, fifty times a second."""
        end = time.monotonic() + limit_s
        while not until() and time.monotonic() < end:
            there = gpu.living(self.folder)
            assert not gpu.is_overbooked(there), f"overbooked: {there} (seed {SEED})"
            twice = [name for name, times in Counter(e["name"] for e in there).items() if times > 1]
            assert not twice, f"{twice} runs twice at a time (seed {SEED})"
            time.sleep(0.02)

    @property
    def long(self) -> str:
        return f"long{self.number}"

    @property
    def urgent(self) -> str:
        return f"urgent{self.number}"

    @property
    def gate(self) -> Path:
        """Without this file the long job does not come to its end."""
        return self.folder / f"gate{self.number}"

    @property
    def ran(self) -> Counter[str]:
        """How often each job was begun, in all rounds."""
        return Counter((self.folder / "ran").read_text().split())

    def is_running(self, name: str) -> bool:
        return any(entry["name"] == name for entry in gpu.living(self.folder))

    @property
    def is_asked(self) -> bool:
        """Whether the urgent job stands in line, or has its place."""
        leases, requests = entries(self.folder / "state")
        names = {each.job.name for each in (*leases, *requests)}
        return self.urgent in names

    @property
    def is_over(self) -> bool:
        """Whether all engines have ended, and what they left on the card."""
        engines = [engine.poll() is not None for engine in self.engines.values()]
        return all(engines) and not gpu.living(self.folder)

    def demand_none_lost(self) -> None:
        """Where nobody was killed all ended well, and whoever did so had run to its end."""
        done = (self.folder / "done").read_text().split()
        for name, engine in self.engines.items():
            if not self.killed:
                assert engine.returncode == 0, f"{name} failed (seed {SEED})"
            if engine.returncode == 0:
                assert name in done, f"{name} was lost (seed {SEED})"

    def end(self) -> None:
        for engine in self.engines.values():
            kill_tree(engine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    (tmp_path / "done").touch()
    return tmp_path


@contextlib.contextmanager
def _played(folder: Path, draw: random.Random, number: int) -> Iterator[Round]:
    played = Round(folder, draw, number)
    try:
        yield played
    finally:
        played.end()


def test_kills_amid_preemptions_lose_nothing(folder: Path) -> None:
    draw, preempted = random.Random(SEED), 0
    bench = machine.bench(folder / "nvinx.yaml")
    for number in range(ROUNDS):
        with _played(folder, draw, number) as each:
            each.start_long()
            each.watch(lambda each=each: each.is_running(each.long) or each.is_over)
            each.start_urgent()
            each.watch(lambda each=each: each.is_asked or each.is_over)
            if number == 0:
                each.watch(lambda each=each: each.urgent in each.ran)
            each.gate.touch()
            pause = time.monotonic() + draw.uniform(0.0, 0.5)
            each.watch(lambda pause=pause: time.monotonic() > pause)
            if number > 0 and draw.random() < 0.85:
                each.kill_somebody()
            each.watch(lambda each=each: each.is_over)
            assert each.is_over, f"somebody waits for ever (seed {SEED})"
            each.demand_none_lost()
            preempted = sum(times > 1 for times in each.ran.values())
        with LeaseClient(bench, folder / "state") as client:
            held = client.acquire(Claim(residency=Residency.GPU_EXCLUSIVE), "probe")
            client.release(held)
        print(f"round {number + 1} of {ROUNDS}, seed {SEED}: {preempted} ran more than once")

    assert not (folder / "overbooked").exists(), f"seed {SEED}"
    assert preempted > 0, f"nothing was preempted (seed {SEED})"
