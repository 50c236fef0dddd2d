"""A long job that may be preempted: so many seconds of work, or what is left of them.

    long_job.py FOLDER WORK_S [SIGNAL]

Each try writes to FOLDER when it started, how much it has done, and when it ended. On SIGNAL it
saves what it has and exits with 75; without one it begins anew.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

STEP_S = 0.02
UNDONE = 75  # EX_TEMPFAIL


def main(folder: Path, work_s: float, told_by: str | None = None) -> None:
    saved, number = folder / "saved", sum(1 for _ in folder.glob("try*.json"))
    before_s = float(saved.read_text(encoding="utf-8")) if saved.exists() else 0.0
    began, done_s = time.time(), before_s

    def note(end: float | None = None) -> None:
        draft = folder / f"draft{number}"
        said = {"start": began, "before_s": before_s, "done_s": done_s, "end": end}
        draft.write_text(json.dumps(said), encoding="utf-8")
        draft.replace(folder / f"try{number}.json")

    def save(*_: object) -> None:
        saved.write_text(str(done_s), encoding="utf-8")
        sys.exit(UNDONE)

    if told_by is not None:
        signal.signal(signal.Signals[f"SIG{told_by}"], save)
    while done_s < work_s:
        note()
        time.sleep(STEP_S)
        done_s = before_s + time.time() - began
    note(time.time())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
