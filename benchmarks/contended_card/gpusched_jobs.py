"""The eleven jobs of the contended card through gpusched, which is a queue and no workflow engine.

    python gpusched_jobs.py ACTUAL_MB [gpusched option ...]

GPU jobs are lines of gpusched's jobs file, the long one first. gpusched starts GPU jobs only, so
the six CPU jobs are started beside it at once: with one GPU job they take seven of eight cores.
"""

import subprocess
import sys
from pathlib import Path

CARD = [sys.executable, str(Path(__file__).with_name("card.py"))]


def gpu_jobs(actual_mb):
    """A line for each GPU job with the VRAM that it declares."""
    yield f"[vram=3500] {' '.join(CARD)} long 3500 20"
    for i in range(4):
        yield f"[vram=900] {' '.join(CARD)} small{i} {actual_mb} 3"


def main(actual_mb, options):
    Path("jobs.txt").write_text("\n".join(gpu_jobs(actual_mb)) + "\n", encoding="utf-8")
    programs = [[*CARD, f"cpu{i}", "0", "5"] for i in range(6)]
    programs.append([sys.executable, "-m", "gpusched.cli", "jobs.txt", *options])
    running = [subprocess.Popen(program) for program in programs]
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
