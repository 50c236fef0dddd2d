"""What all threads of the soak share."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

MARK = "NVINX_JOB"


@dataclass(slots=True)
class Watched:
    """A job whose program or shell was killed. Times of time.monotonic(); None: not yet."""

    kind: str
    dead_since: float | None = None


@dataclass
class Soak:
    """What all threads share."""

    base: Path
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    frees_s: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    asked: int = 0

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def truth(self) -> Path:
        return self.base / "truth.json"

    def fault(self, text: str) -> None:
        dated = f"{datetime.now().isoformat(timespec='seconds')} {text}"
        print(dated, file=sys.stderr, flush=True)
        with self.lock:
            self.faults.append(dated)

    def start(self, name: str, command: list[str], cwd: Path) -> int:
        """Run a program to its end, where the killer can see it; its exit status."""
        environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NVINX_STATE_DIR": str(self.state),
            "SOAK_TRUTH": str(self.truth),
        }
        with (cwd / f"{name}.said").open("wb") as said:
            process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=said, stderr=said)
        with self.lock:
            self.programs[name] = process
        status = process.wait()
        with self.lock:
            del self.programs[name]
        return status
