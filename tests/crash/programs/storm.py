"""storm.py STATE NAME LOG ROUNDS: takes and gives back 900 MB of the card as fast as it can."""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path

from bench import BareEngine, starts

SIZE_MB = 900
HOLD_S = 0.004
PAUSE_S = 0.02


def note(log: Path, what: str, job_id: str) -> None:
    with log.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{what} {job_id}\n")


def run(state: Path, name: str, log: Path, rounds: int) -> None:
    engine = BareEngine(state, name)
    print("up", flush=True)
    sys.stdin.readline()
    for number in range(rounds):
        job = engine.job(f"{name}.{number}", SIZE_MB)
        started = starts(engine.broker.submit([job]))
        while not started:
            time.sleep(PAUSE_S)
            started = starts(engine.broker.poll())
        note(log, "start", job.id)
        time.sleep(HOLD_S)
        note(log, "end", job.id)
        engine.broker.finish(job.id)
    engine.leave()


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
