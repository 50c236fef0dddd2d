"""elastic.py FOLDER NAME [MB SECONDS]: uses what it may of the card, and notes how much that is.

With a size it uses just that, for so long. Else it is a server that uses all of its budget, whatever
that is by now, until the file `over` is there.
"""

import json
import os
import sys
import time

import gpu

TOLERANCE_MB = 10  # MB that are rounded up to tens


def uses(folder, name, mb):
    pid = os.getpid()
    entry = {"pid": pid, "start": gpu.started(pid), "mb": mb, "name": name}
    gpu.note(folder, "truth", json.dumps(entry))


def now(folder):
    """What each living program uses, in MB by pid: what it said last."""
    return {entry["pid"]: entry["mb"] for entry in gpu.living(folder)}


def serve(folder, name):
    from nvinx import placement

    mb = placement.current().vram_mb
    uses(folder, name, mb)
    while not os.path.exists(os.path.join(folder, "over")):
        if placement.current().budget_changed():
            uses(folder, name, placement.current().vram_mb)
            gpu.note(folder, "told", str(placement.current().vram_mb))
        time.sleep(0.01)


if __name__ == "__main__":
    folder, name, *rest = sys.argv[1:]
    if rest:
        uses(folder, name, int(rest[0]))
        time.sleep(float(rest[1]))
    else:
        serve(folder, name)
