"""Engines and jobs killed at random moments: the card is never overbooked, and never leaked.

Meanwhile some are stopped for a while, the ledger is deleted, damaged or spoiled, a container
looks, and somebody uses the environment of another's job.

A round takes about two seconds. `make test-crash` plays 200; NVINX_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import GIVE_UP_S

from nvinx.bench import machine
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.leases.client import LeaseClient
from nvinx.leases.liveness import ProcessLiveness

sys.path.insert(0, str(Path(__file__).parent / "programs"))

import gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.bench.resolve import Bench

ROUNDS = int(os.environ.get("NVINX_CRASH_ROUNDS", "8"))
SEED = os.environ.get("NVINX_CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
ATTACKS = 0.3  # so many looks bring one
CONTAINER = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")
BENCH = "hardware: {cpu_cores: 8, gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
WORKFLOW = """
rule all:
    input: expand("out/{{n}}", n=["{name}a", "{name}b"])

rule job:
    output: "out/{{n}}"
    resources: vram_mb=1500
    shell: "{python} -S {gpu} {folder} {{wildcards.n}} 1500 0.4 {manner}; touch {{output}}"
"""


class Storm:
    """One folder with a card, a forge of engines, and what is known of who was killed."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder, self.draw = folder, draw
        (folder / "nvinx.yaml").write_text(BENCH)
        self.environ = {**os.environ, "NVINX_STATE_DIR": str(folder / "state")}
        for name in ("NVINX_JOB", "NVINX_BENCH"):
            self.environ.pop(name, None)
        self.forge = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "programs" / "forge.py"],
            cwd=folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.engines: list[int] = []
        self.snakes: list[subprocess.Popen[bytes]] = []
        self.numbers = iter(range(10**6))

    def engine(self) -> None:
        """Start one engine of a random sort."""
        draw, name = self.draw, f"n{next(self.numbers)}"
        what = draw.choices(["run", "lease", "stall"], [5, 4, 1])[0]
        mb = draw.choice([600, 900, 1300, 2000, 4000])
        manner = draw.choice(["plain", "forked", "closed", "stripped"])
        if what == "lease" and manner == "stripped":
            manner = "forked"  # a lease has no lock to inherit: stripped, nothing would be left
        words = (what, name, mb, round(draw.uniform(0.05, 0.5), 2), manner)
        self.forge.stdin.write(" ".join(map(str, words)) + "\n")
        self.forge.stdin.flush()
        self.engines.append(int(self.forge.stdout.readline()))

    def snakemake(self) -> None:
        folder = self.folder / f"workflow{next(self.numbers)}"
        folder.mkdir()
        text = WORKFLOW.format(
            name=f"w{next(self.numbers)}",
            python=sys.executable,
            gpu=gpu.__file__,
            folder=self.folder,
            manner=self.draw.choice(["plain", "closed"]),
        )
        (folder / "Snakefile").write_text(text)
        words = ["--executor", "nvinx", "--jobs", "9", "--nvinx-bench", self.folder / "nvinx.yaml"]
        self.snakes.append(
            subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--quiet", "all", *words],
                cwd=folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def victims(self) -> list[int]:
        """Whoever lives of this storm: engines, jobs, and the shells and parents between."""
        jobs = [entry["pid"] for entry in gpu.living(self.folder)]
        engines = [*self.engines, *(snake.pid for snake in self.snakes)]
        return [pid for pid in {*engines, *jobs, *_descendants(engines)} if gpu.started(pid)]

    def watch(self, seconds: float) -> None:
        """Look at who uses the card, fifty times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            there = gpu.living(self.folder)
            assert not gpu.is_overbooked(there), f"overbooked: {there} (seed {SEED})"
            time.sleep(0.02)

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def attack(self) -> None:
        """Something that is worse than a death, and that nobody may profit from."""
        attacks = [
            self.stop,
            self.lose_the_ledger,
            self.damage_the_ledger,
            self.spoil_a_row,
            self.ask_from_a_container,
            self.claim_anothers_place,
        ]
        self.draw.choice(attacks)()

    def stop(self) -> None:
        """Stop a process for a while, wherever it is."""
        if victims := sorted(self.victims()):
            pid = self.draw.choice(victims)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.watch(self.draw.uniform(0.1, 0.6))
                os.kill(pid, signal.SIGCONT)

    def lose_the_ledger(self) -> None:
        """Delete it, with its log or without, move it away, or empty it."""
        state = self.folder / "state"
        how = self.draw.choice(
            ["rm -f ledger.db*", "rm -f ledger.db", "mv ledger.db old", ": > ledger.db"]
        )
        subprocess.run(["bash", "-c", how], cwd=state, stderr=subprocess.DEVNULL, check=False)

    def damage_the_ledger(self) -> None:
        """Write over a stretch of it or of its log; SQLite maps the index, so no program may."""
        name = self.draw.choice(["ledger.db", "ledger.db-wal"])
        path = self.folder / "state" / name
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            file.seek(self.draw.randrange(max(os.fstat(file.fileno()).st_size, 1)))
            file.write(self.draw.randbytes(self.draw.randrange(1, 3000)))

    def spoil_a_row(self) -> None:
        """Write nonsense into a lease or a request, as anybody may who shares the folder."""
        table, column = self.draw.choice(
            [("lease", "job"), ("lease", "placement"), ("lease", "seen"), ("request", "job")]
        )
        nonsense = self.draw.choice(["", "{}", "[" * 5000, '{"vram_mib": -4000}', "\0"])
        change = f"UPDATE {table} SET {column} = ? WHERE id IN (SELECT id FROM {table} LIMIT 1)"
        with contextlib.suppress(sqlite3.Error):
            db = sqlite3.connect(self.folder / "state" / "ledger.db", timeout=5)
            with contextlib.closing(db), db:
                db.execute(change, (nonsense,))

    def ask_from_a_container(self) -> None:
        """Somebody who sees no process of the others looks who lives, and goes."""
        with contextlib.suppress(FileNotFoundError):
            self.ask_for(600, "true", where=CONTAINER)

    def claim_anothers_place(self) -> None:
        """Somebody runs with all that the environment of another's job says."""
        leases = sorted((self.folder / "state" / "life").glob("*.*.lock"))
        stolen = {"NVINX_PLACEMENT": "gpu_exclusive", "NVINX_VRAM_MB": "4000", "SLURM_JOB_ID": "1"}
        token = self.draw.choice(leases).stem if leases else "1-0b0b0b0b.1"
        job = [sys.executable, "-S", gpu.__file__, str(self.folder), f"n{next(self.numbers)}"]
        self.ask_for(1300, *job, "1300", "0.05", "plain", NVINX_JOB=token, **stolen)

    def ask_for(self, mb: int, *words: str, where: Sequence[str] = (), **environ: str) -> None:
        code = "from nvinx.cli import main; main()"
        asks = ["run", "--quiet", "--vram", f"{mb}MB", "--give-up", "0.2", "--", *words]
        subprocess.run(
            [*where, sys.executable, "-c", code, *asks],
            cwd=self.folder,
            env={**self.environ, **environ},
            stderr=subprocess.DEVNULL,
            check=False,
        )

    def end(self) -> None:
        """Kill whoever is left."""
        while victims := [*self.victims(), *(s.pid for s in self.snakes if s.poll() is None)]:
            for pid in victims:
                self.kill(pid)
            time.sleep(0.02)
        self.engines.clear()
        self.snakes.clear()

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


def _descendants(pids: list[int]) -> list[int]:
    import psutil

    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found += [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return found


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    made = Storm(tmp_path, random.Random(SEED))
    yield made
    made.end()
    made.forge.stdin.close()
    made.forge.wait()
    made.forge.stdout.close()


def _probe(bench: Bench, storm: Storm) -> float:
    """How long an engine waits for the whole card, in seconds."""
    with LeaseClient(bench, storm.folder / "state") as client:
        begin = time.monotonic()

        def waiting(_reason: object) -> None:
            assert time.monotonic() - begin < GIVE_UP_S, f"leaked (seed {SEED})"

        held = client.acquire(Claim(residency=Residency.GPU_EXCLUSIVE), "probe", waiting)
        took = time.monotonic() - begin
        assert not gpu.living(storm.folder), f"a living job lost its lease (seed {SEED})"
        client.release(held)
        return took


def test_random_kills_neither_overbook_nor_leak_the_card(storm: Storm, monkeypatch) -> None:
    monkeypatch.setenv("NVINX_STATE_DIR", str(storm.folder / "state"))
    bench = machine.bench(storm.folder / "nvinx.yaml")
    slowest = 0.0
    for number in range(ROUNDS):
        for _ in range(storm.draw.randrange(4, 12)):
            storm.engine()
        if number % 8 == 3:
            storm.snakemake()
            storm.watch(2.0)
        for _ in range(storm.draw.randrange(2, 7)):
            storm.watch(storm.draw.uniform(0.02, 0.25))
            if victims := storm.victims():
                storm.kill(storm.draw.choice(sorted(victims)))
            if storm.draw.random() < ATTACKS:
                storm.attack()
        storm.watch(storm.draw.uniform(0.2, 1.5))
        storm.end()
        slowest = max(slowest, _probe(bench, storm))
        ran = len(storm.lines("ran"))
        print(f"round {number + 1} of {ROUNDS}, seed {SEED}: {ran} ran, slowest {slowest:.2f} s")

    assert storm.lines("overbooked") == [], f"seed {SEED}"
    ran = storm.lines("ran")
    assert len(ran) == len(set(ran)), f"a job ran twice (seed {SEED})"
    assert len(ran) >= ROUNDS
    liveness = ProcessLiveness(storm.folder / "state" / "life")
    liveness.sweep()
    assert list((storm.folder / "state" / "life").iterdir()) == []
