"""Programs under measurement, each in its own process: loaded once, run and paused at will."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from nvinx.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from nvinx.calibration.programs import Program
    from nvinx.calibration.rates import Mark

_POLL_S = 0.02
_END_S = 5.0
_TAIL = 300


class Timed:
    """One program's process. Use it as a context; leaving it ends the process and its children."""

    def __init__(
        self,
        program: Program,
        log: Path,
        *,
        environ: Mapping[str, str] | None = None,
        core: int | None = None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        """core: run on this CPU core only. wait: called over and over while waiting."""
        self.program = program
        self._log = log
        self._wait = wait or (lambda: None)
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        spec = {"program": program.plain(), "reads": reads, "writes": writes, "core": core}
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "nvinx.calibration.worker", json.dumps(spec)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=None if environ is None else dict(environ),
                    pass_fds=(reads, writes),
                    process_group=0,
                )
        finally:
            os.close(reads)
            os.close(writes)
        self._answers = os.fdopen(self._from, "rb", buffering=0)
        os.set_blocking(self._from, False)
        self._rest = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> Self:
        """Wait until the program is loaded and ran once. Raises CalibrationError if it fails."""
        self._hear()
        return self

    def go(self) -> None:
        self._ask("go")

    def pause(self) -> None:
        """Let the iteration that runs come to its end, and no further one begin."""
        self._ask("pause")
        while self._ask("last")["busy"]:
            self._wait()
            time.sleep(_POLL_S)

    def marks(self) -> list[Mark]:
        """When how many iterations were done, since `go`."""
        return [(at, count) for at, count in self._ask("marks")["marks"]]

    def last(self) -> Mark | None:
        """When the last iteration ended, and how many there were; None before the first `go`."""
        last = self._ask("last")["last"]
        return None if last is None else (last[0], last[1])

    def cpu_s(self) -> float:
        """CPU seconds that the program and its finished children used so far."""
        return float(self._ask("cpu")["cpu_s"])

    def end(self) -> None:
        """End the process and all it started; safe to call twice."""
        if self._to < 0:
            return
        with contextlib.suppress(OSError):
            os.write(self._to, b"quit\n")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        self._answers.close()
        self._to = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def _ask(self, word: str) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):  # it died: hearing says so
            os.write(self._to, f"{word}\n".encode())
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            more = self._answers.read()
            if more is None:
                self._wait()
                time.sleep(_POLL_S)
            elif not more:
                raise self._failed("its process ended")
            else:
                self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("problem"):
            raise self._failed(answer["problem"])
        return answer

    def _failed(self, problem: str) -> CalibrationError:
        said = self._log.read_bytes()[-_TAIL:].decode(errors="replace").strip().splitlines()
        tail = f"; it said: {said[-1]}" if said else ""
        fix = f"try it alone; its output is in {self._log}"
        return CalibrationError(self.program.name, f"{problem}{tail}", fix)
