"""A folder with a bench and a state of its own, in which a benchmark starts commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(sys.executable).parent
GIVE_UP_S = 900


class Scene:
    """Its commands are those of this environment, and know of no job around them."""

    def __init__(self, folder: Path, bench: str, **variables: str) -> None:
        self.folder = folder
        (folder / "nvinx.yaml").write_text(bench)
        self.environment = {
            **os.environ,
            "PATH": f"{HERE}:{os.environ['PATH']}",
            "NVINX_STATE_DIR": str(folder / "state"),
            **variables,
        }
        self.environment.pop("NVINX_JOB", None)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        out = subprocess.DEVNULL
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=out, stderr=out
        )

    def status(self) -> dict[str, Any]:
        words = ("nvinx", "status", "--json")
        said = subprocess.check_output(words, cwd=self.folder, env=self.environment)
        found: dict[str, Any] = json.loads(said)
        return found
