"""Programs in processes of their own, so that one that crashes takes nothing with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import nvinx
from campaign.libraries import ABSENT
from campaign.steps import MeasurementError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).parents[1]
ROOT = HERE.parent
PROGRAMS = HERE / "programs"
STAND_IN = ROOT / "benchmarks" / "contended_card"  # card.py: a card that is a file
_TAIL = 6000
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, with the ends of what it said; paths of this machine are left out."""

    status: int
    stdout: str
    stderr: str
    took_s: float

    @property
    def last(self) -> str:
        """The last line of its stdout."""
        return self.stdout.strip().rpartition("\n")[2]

    def demand_library(self) -> Self:
        """The same. Raises MissingError where the program's library is not installed."""
        if self.status == ABSENT:
            raise MissingError(self.last)
        return self

    def answer(self) -> dict[str, Any]:
        """The JSON in its last line. Raises MissingError and MeasurementError."""
        self.demand_library()
        if self.status:
            raise MeasurementError(f"it ended with {self.status}: {self.stderr[-600:].strip()}")
        said: dict[str, Any] = json.loads(self.last)
        return said


def python(
    *words: str, environ: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a program in `programs/`, or of `-m module`."""
    first = words[0] if words[0].startswith("-") else str(PROGRAMS / words[0])
    paths = [str(HERE), str(Path(nvinx.__file__).parents[1])]
    whole = dict(os.environ if environ is None else environ)
    if whole.get("PYTHONPATH"):
        paths.append(whole["PYTHONPATH"])
    # TensorFlow, where a framework pulls it in, and the hubs are kept quiet.
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    return [sys.executable, first, *words[1:]], {
        **whole,
        **quiet,
        "PYTHONPATH": os.pathsep.join(paths),
    }


def run(*words: str, environ: Mapping[str, str] | None = None, timeout_s: float = 300.0) -> Ended:
    """Run a program of ours to its end. Raises MeasurementError when it takes too long."""
    command, whole = python(*words, environ=environ)
    return execute(command, whole, timeout_s)


def execute(
    command: Sequence[str],
    environ: Mapping[str, str],
    timeout_s: float = 300.0,
    folder: Path | None = None,
) -> Ended:
    """Run any command to its end. Raises MeasurementError when it takes too long."""
    began = time.monotonic()
    process = _start(command, environ, folder)
    try:
        said, complaint = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"it took longer than {timeout_s:.0f} s") from None
    finally:
        _end(process)
    took_s = time.monotonic() - began
    return Ended(process.returncode, _told(said), _told(complaint), round(took_s, 3))


@contextlib.contextmanager
def held(
    *words: str, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, Any], Callable[[], Ended]]]:
    """A program that says one JSON line when it is ready and goes on until its stdin closes.

    The values: its pid, that line, and a function that lets it end and says how. Raises as
    `Ended.answer` when it ends before that line.
    """
    command, whole = python(*words, environ=environ)
    began = time.monotonic()
    process = _start(command, whole, None)

    def finish() -> Ended:
        said, complaint = process.communicate()
        took_s = time.monotonic() - began
        return Ended(process.returncode, _told(said), _told(complaint), round(took_s, 3))

    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(b"{"):
            ended = finish()
            Ended(ended.status or 1, _told(line), ended.stderr, ended.took_s).answer()
        yield process.pid, json.loads(line), finish
    finally:
        _end(process)


def _start(
    command: Sequence[str], environ: Mapping[str, str], folder: Path | None
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=dict(environ),
        cwd=folder,
        process_group=0,
        bufsize=0,  # what is read ahead would be lost to `communicate`
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _told(said: bytes) -> str:
    """The end of a text, without the paths of this machine."""
    text = said.decode(errors="replace")[-_TAIL:]
    for path, name in (
        (str(ROOT), "."),
        (sys.prefix, "<python>"),
        (sys.base_prefix, "<python>"),
        (str(Path.home()), "~"),
    ):
        if len(path) > 1:
            text = text.replace(path, name)
    return text
