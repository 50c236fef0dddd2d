"""An MPS daemon of our own for the time of a block; the card's settings stay as they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from campaign.steps import MeasurementError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTROL = "nvidia-cuda-mps-control"
_PATIENCE_S = 20.0


@contextlib.contextmanager
def daemon() -> Iterator[dict[str, str]]:
    """The environment of its clients. Raises MissingError without it, MeasurementError if it dies.

    As an ordinary user or root; NVIDIA, Multi-Process Service, "Starting and stopping MPS".
    """
    if shutil.which(CONTROL) is None:
        raise MissingError(CONTROL)
    with tempfile.TemporaryDirectory(prefix="mps-") as made:
        folders = {"CUDA_MPS_PIPE_DIRECTORY": "pipe", "CUDA_MPS_LOG_DIRECTORY": "log"}
        exports = {name: str(Path(made) / folder) for name, folder in folders.items()}
        for folder in exports.values():
            Path(folder).mkdir()
        environ = {**os.environ, **exports}
        _start(environ, Path(made) / "said")
        try:
            yield exports
        finally:
            with contextlib.suppress(MeasurementError):
                ask("quit -t 2", environ)
            time.sleep(0.5)  # it writes its last words


def _start(environ: Mapping[str, str], said: Path) -> None:
    """said: a file for its first words; a pipe it might keep open."""
    with said.open("wb") as out:
        started = subprocess.run(
            [CONTROL, "-d"], env=dict(environ), stdout=out, stderr=out, check=False
        )
    if started.returncode:
        raise MeasurementError(f"{CONTROL} -d: {said.read_text().strip()}")


def servers(environ: Mapping[str, str]) -> list[str]:
    """Pids of the servers, which start with the first client. Raises MeasurementError."""
    return ask("get_server_list", environ).split()


def clients(environ: Mapping[str, str]) -> list[str]:
    """Pids of all programs that run under MPS now. Raises MeasurementError."""
    return [pid for at in servers(environ) for pid in ask(f"get_client_list {at}", environ).split()]


def ask(words: str, environ: Mapping[str, str]) -> str:
    """What the daemon answers. Raises MeasurementError when it does not."""
    try:
        asked = subprocess.run(
            [CONTROL],
            input=f"{words}\n",
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(f"{CONTROL}: {error}") from error
    if asked.returncode:
        raise MeasurementError(f"{CONTROL} {words}: {(asked.stderr or asked.stdout).strip()}")
    return asked.stdout
