"""One job of the contended card: it notes when it starts and ends, and computes in between.

    python job.py model MODULE:LOADER ITERATIONS --name NAME
    python job.py core SECONDS --name NAME
    python job.py file VRAM_MB SECONDS --name NAME

A model runs on $EVIDENCE_DEVICE; `core` keeps a CPU core busy; `file` uses the stand-in for a card
that is a file. Lines go to $EVIDENCE_LOG.
"""

import importlib
import os
import sys
import time


def model(loader, iterations):
    module, _, name = loader.partition(":")
    target = getattr(importlib.import_module(module), name)()
    for _ in range(int(iterations)):
        target.inference_fn(target.sample_input)


def core(seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        pass


def file(name, vram_mb, seconds):
    import card

    card.main(name, int(vram_mb), float(seconds))


def note(what, name):
    with open(os.environ["EVIDENCE_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{time.time()} {what} {name}\n")


def main(kind, *words):
    *words, _option, name = words
    note("start", name)
    if kind == "file":
        file(name, *words)
    else:
        globals()[kind](*words)
    note("end", name)


if __name__ == "__main__":
    main(*sys.argv[1:])
