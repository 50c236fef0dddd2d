"""Files read ahead by a process of its own, which dies with us."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from nvinx.staging.ports import Warmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.staging.ports import File

NIXL = ("nixl_cu12", "nixl_cu13")
_READER = (sys.executable, "-P", "-m", "nvinx.staging.reader")
_LAST_WORDS_S = 1.0


class ProcessStager:
    """Starts `nvinx.staging.reader` for each `begin`; its stdin is the tie that ends it with us."""

    def __init__(self, how: str = "plain") -> None:
        """how: `plain`, or `nixl` where `has_nixl`."""
        self._how = how
        self._process: subprocess.Popen[str] | None = None
        self._failed: Warmed | None = None

    def begin(self, files: Sequence[File], floor_mib: int) -> None:
        self.stop()
        words = [word for file in files for word in (str(file.size_bytes), file.path)]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                [*_READER, self._how, str(floor_mib), *words],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                text=True,
                errors="replace",
                start_new_session=True,  # the keyboard's signals are not for it
            )
        except OSError as error:
            self._failed = Warmed(problem=f"no process could be started: {error.strerror}")

    def result(self) -> Warmed | None:
        failed, self._failed = self._failed, None
        if self._process is None or self._process.poll() is None:
            return failed
        ended, self._process = self._process, None
        said, complaint = ended.communicate()
        with suppress(ValueError, IndexError):
            return Warmed(*json.loads(said.splitlines()[-1]))
        last = complaint.strip().rpartition("\n")[2]
        return Warmed(problem=last or f"the reader ended with {ended.returncode}")

    def stop(self) -> None:
        self._failed = None
        if self._process is None:
            return
        ended, self._process = self._process, None
        ended.kill()
        with suppress(subprocess.TimeoutExpired):  # a disk that hangs may keep it for a while
            ended.communicate(timeout=_LAST_WORDS_S)


def has_nixl() -> bool:
    """Whether NIXL is installed here."""
    return any(importlib.util.find_spec(name) for name in NIXL)
