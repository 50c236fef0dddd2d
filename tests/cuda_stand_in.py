"""Programs that use the stand-in for CUDA, and what is known of them from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

MODULES = Path(__file__).parent / "stand_in_cuda"

# Says what it has of the card, and calls CUDA until it may end.
PROGRAM = """
echo "RUNNING {mb}" > "$STAND_IN_CUDA/$$"
echo $$ >> pids
while test ! -e finish || ! grep -q RUNNING "$STAND_IN_CUDA/$$"; do sleep 0.02; done
rm "$STAND_IN_CUDA/$$"
exit {status}
"""


@dataclass
class CudaStandIn:
    """The card of the stand-in, in a folder."""

    folder: Path

    def environ(self) -> dict[str, str]:
        """Of all programs that are to find it in place of the package cuda-bindings."""
        paths = [str(MODULES), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"STAND_IN_CUDA": str(self.folder), "PYTHONPATH": os.pathsep.join(paths)}

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    def let(self, name: str, *calls: str) -> None:
        """Have these calls fail (`refuses`) or stand still (`waits`); none: do as usual."""
        part = self.folder / f"{name}.part"
        part.write_text(" ".join(calls))
        part.replace(self.folder / name)

    @property
    def is_overbooked(self) -> bool:
        return (self.folder / "overbooked").exists()


def program(mb: int = 4000, status: int = 7) -> str:
    return PROGRAM.format(mb=mb, status=status)


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED
