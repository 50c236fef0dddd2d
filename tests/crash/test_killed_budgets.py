"""Kill -9 while jobs shrink and grow: the card is never overbooked, and nothing is lost or left.

A server of a range of VRAM, jobs that come and go beside it, and meanwhile somebody is killed: what
started the server, the server, or one of the others at any moment of its life. In the first round
nobody is, and the server is asked to shrink for certain. NVINX_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from family import kill_tree, tree
from waiting import GIVE_UP_S, eventually

from nvinx.bench import machine
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.leases.client import LeaseClient
from nvinx.leases.liveness import ProcessLiveness

sys.path.insert(0, str(Path(__file__).parent / "programs"))

import elastic
import gpu

ROUNDS = int(os.environ.get("NVINX_CRASH_ROUNDS", "6"))
SEED = os.environ.get("NVINX_CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
BENCH = "hardware: {cpu_cores: 8, gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
OTHERS = 5


class Round:
    """A server and those that come beside it, each with its `nvinx run`."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder, self.draw = folder, draw
        self.environ = {**os.environ, "NVINX_STATE_DIR": str(folder / "state")}
        self.environ.pop("NVINX_JOB", None)
        self.started: list[subprocess.Popen[bytes]] = []
        self.killed = False

    def start(self, name: str, vram: str, *words: str) -> None:
        code = "from nvinx.cli import main; main()"
        job = [sys.executable, elastic.__file__, str(self.folder), name, *words]
        run = [sys.executable, "-c", code, "run", "--quiet", "--name", name, "--vram", vram]
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self.started.append(
            subprocess.Popen([*run, "--", *job], cwd=self.folder, env=self.environ, **silent)
        )

    def kill_somebody(self) -> None:
        pids = sorted(pid for each in self.started for pid in tree(each.pid))
        if pids:
            self.killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.draw.choice(pids), signal.SIGKILL)

    def watch_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.demand_no_overbooking()
            time.sleep(0.01)

    def watch_to_the_end(self) -> None:
        """All of them end, also those that waited for the killed."""
        end = time.monotonic() + GIVE_UP_S
        while any(each.poll() is None for each in self.started[1:]):
            assert time.monotonic() < end, f"somebody waits for ever (seed {SEED})"
            self.demand_no_overbooking()
            time.sleep(0.01)
        (self.folder / "over").touch()
        while self.started[0].poll() is None or gpu.living(self.folder):
            assert time.monotonic() < end, f"the server does not end (seed {SEED})"
            time.sleep(0.01)

    def demand_no_overbooking(self) -> None:
        there = elastic.now(self.folder)
        used_mb = sum(there.values())
        assert used_mb <= gpu.CARD_MB + elastic.TOLERANCE_MB, f"overbooked: {there} (seed {SEED})"

    def end(self) -> None:
        for each in self.started:
            kill_tree(each)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    return tmp_path


def test_kills_while_jobs_shrink_and_grow_overbook_nothing(folder: Path) -> None:
    draw = random.Random(SEED)
    bench = machine.bench(folder / "nvinx.yaml")
    for number in range(ROUNDS):
        played = Round(folder, draw)
        try:
            played.start("server", draw.choice(["1-4GB", "500MB-3GB"]) if number else "1-4GB")
            if number == 0:
                assert eventually(lambda: elastic.now(folder))
            played.watch_for(draw.uniform(0.0, 0.6))
            for other in range(OTHERS):
                mb = draw.choice([500, 1500, 3000])
                vram = draw.choice([f"{mb}MB", f"{mb}-{mb + 500}MB"])
                played.start(f"other{other}", vram, str(mb), str(draw.uniform(0.0, 0.3)))
                played.watch_for(draw.uniform(0.0, 0.3))
                if number > 0 and draw.random() < 0.3:
                    played.kill_somebody()
            played.watch_to_the_end()
            if not played.killed:
                assert all(each.returncode == 0 for each in played.started), f"seed {SEED}"
        finally:
            played.end()
        with LeaseClient(bench, folder / "state") as client:
            held = client.acquire(Claim(residency=Residency.GPU_EXCLUSIVE), "probe")
            client.release(held)
        life = folder / "state" / "life"
        ProcessLiveness(life).sweep()
        assert list(life.iterdir()) == [], f"seed {SEED}"
        (folder / "over").unlink()
        print(f"round {number + 1} of {ROUNDS}, seed {SEED}")
    assert (folder / "told").exists(), f"nobody was asked to shrink (seed {SEED})"
