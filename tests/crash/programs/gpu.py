"""gpu.py FOLDER NAME MB SECONDS MANNER [FILE]: uses so much of the card, and notes who is with it.

With a FILE, it begins to count the SECONDS when that is there. MANNER: `plain`; or a grandchild in a session of its own does it, `forked` as it is, `closed` with
every descriptor closed, `stripped` of its environment.
"""

import fcntl
import json
import os
import sys
import time

CARD_MB = 4000


def started(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            rest = file.read().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if rest[0] in "ZX" else int(rest[19])


def living(folder):
    """The entries of programs that live, by what /proc says of their pid."""
    try:
        with open(os.path.join(folder, "truth")) as file:
            entries = [json.loads(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [entry for entry in entries if started(entry["pid"]) == entry["start"]]


def is_overbooked(entries):
    alone = any(entry["mb"] == CARD_MB for entry in entries)
    return sum(entry["mb"] for entry in entries) > CARD_MB or (alone and len(entries) > 1)


def note(folder, name, text):
    with open(os.path.join(folder, name), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text + "\n")


def use(folder, name, mb, seconds, file=None):
    pid = os.getpid()
    note(folder, "truth", json.dumps({"pid": pid, "start": started(pid), "mb": mb, "name": name}))
    there = living(folder)
    if is_overbooked(there):
        note(folder, "overbooked", json.dumps(there))
    while file is not None and not os.path.exists(file):
        time.sleep(0.01)
    time.sleep(seconds)


def main(folder, name, mb, seconds, manner, file=None):
    note(folder, "ran", name)
    if manner == "plain":
        use(folder, name, mb, seconds, file)
        return
    if os.fork():
        time.sleep(seconds / 2)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    if manner == "closed":
        os.closerange(0, 256)
    if manner == "stripped":
        words = [sys.executable, "-S", __file__, folder, name, str(mb), str(seconds), "again"]
        os.execve(sys.executable, words, {})
    use(folder, name, mb, seconds)


if __name__ == "__main__":
    folder, name, mb, seconds, manner, *rest = sys.argv[1:]
    if manner == "again":
        use(folder, name, int(mb), float(seconds))
    else:
        main(folder, name, int(mb), float(seconds), manner, *rest)
