"""What `nvidia-smi` would say of the card that is a file: the two queries that gpusched makes.

`use` puts a program of that name at the front of PATH.
"""

import os
import sys
from pathlib import Path

from card import TOTAL_MB, card


def use(folder, environ):
    """The environment in which `nvidia-smi` is this file."""
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    # Without site-packages Python starts in a third of the time, and every poll starts it twice.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ES "{Path(__file__)}" "$@"\n')
    program.chmod(0o755)
    return {**environ, "PATH": f"{folder}:{environ.get('PATH', os.defpath)}"}


def main(query):
    with card() as state:
        on = list(state["on"].values())
    if query.startswith("--query-compute-apps="):
        for mb, pid in on:
            print(f"GPU-file, {pid}, {mb}")
    else:
        print(f"0, GPU-file, {TOTAL_MB}, {sum(mb for mb, _ in on)}, {100 if on else 0}")


if __name__ == "__main__":
    main(sys.argv[1])
