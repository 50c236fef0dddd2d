"""A stand-in for a GPU program: says in the truth file what it takes of the card, and waits.

    python job.py MB SECONDS

The file is $SOAK_TRUTH. Entries of dead processes do not count: a card frees what they held.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvinx.host import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD_MB = 4000
ROUNDING_MB = 1.05  # 1 MiB, which each job may use beyond what is reserved for it


def started(pid: int) -> int | None:
    """When a process was started, None when it is dead: pids are used again."""
    return proc.started(pid) if proc.runs(pid) else None


@contextmanager
def truth(path: Path) -> Iterator[dict[str, Any]]:
    """What is on the card, under a lock; replaced whole, so that a kill leaves no half of it."""
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = {"on": [], "done": 0, "most_mb": 0, "overbooked": []}
        if path.exists():
            state = json.loads(path.read_text(encoding="utf-8"))
        state["on"] = [one for one in state["on"] if started(one["pid"]) == one["started"]]
        yield state
        new = path.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(path)


def main(mb: int, seconds: float) -> None:
    path, me = Path(os.environ["SOAK_TRUTH"]), os.getpid()
    token = os.environ.get("NVINX_JOB", "")
    with truth(path) as state:
        state["on"].append({"pid": me, "started": started(me), "mb": mb, "token": token})
        held_mb = sum(one["mb"] for one in state["on"])
        state["most_mb"] = max(state["most_mb"], held_mb)
        if held_mb > CARD_MB + ROUNDING_MB * len(state["on"]):
            state["overbooked"].append({"at": time.time(), "on": state["on"]})
    time.sleep(seconds)
    with truth(path) as state:
        state["on"] = [one for one in state["on"] if one["pid"] != me]
        state["done"] += 1


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
