"""A stand-in for a GPU program: takes VRAM of a card that is a file, computes for a while, leaves.

    python card.py NAME VRAM_MB SECONDS

The card's file is $FAKE_CARD. A program that finds too little VRAM says so as torch does and exits
with 1. With $FAKE_CARD_HOT, programs slow each other down: beside n others one runs at
1 / (1 + n * $FAKE_CARD_HOT) of its speed, as kernels do that fight for the same units.
"""

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager

TOTAL_MB = 4000
STEP_S = 0.02


@contextmanager
def card():
    """The programs on the card by name (VRAM, pid), under a lock; changes are written back."""
    with open(os.environ["FAKE_CARD"], "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        state = json.loads(file.read() or '{"on": {}, "log": []}')
        try:
            yield state
        finally:
            file.seek(0)
            file.truncate()
            json.dump(state, file)


def log(state, what, name):
    state["log"].append([time.time(), what, name])


def compute(seconds):
    """Work for so many seconds of a card of one's own, slowed down by who else is there."""
    hot = float(os.environ.get("FAKE_CARD_HOT", "0"))
    done, last, others = 0.0, time.monotonic(), 0
    while done < seconds:
        time.sleep(STEP_S if hot else seconds - done)
        if hot:
            with card() as state:
                others = len(state["on"]) - 1
        now = time.monotonic()
        done += (now - last) / (1 + hot * others)
        last = now


def main(name, vram_mb, seconds):
    if vram_mb == 0:
        with card() as state:
            log(state, "start", name)
        time.sleep(seconds)
        with card() as state:
            log(state, "end", name)
        return
    with card() as state:
        if sum(mb for mb, _ in state["on"].values()) + vram_mb > TOTAL_MB:
            log(state, "oom", name)
            sys.exit(f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {vram_mb} MiB")
        state["on"][name] = vram_mb, os.getpid()
        log(state, "start", name)
    compute(seconds)
    with card() as state:
        del state["on"][name]
        log(state, "end", name)


if __name__ == "__main__":
    main(sys.argv[1] + os.environ.get("FAKE_CARD_COPY", ""), int(sys.argv[2]), float(sys.argv[3]))
