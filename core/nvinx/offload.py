"""A folder in the job's scratch space for weights that fit neither card nor RAM."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "nvinx-offload-"
_LOCK = "in-use"


def folder() -> str:
    """A new folder below TMPDIR, removed when this process ends; a killed one's is swept up later.

    Raises OSError when it cannot be made.
    """
    _sweep(Path(tempfile.gettempdir()))
    made = tempfile.mkdtemp(prefix=_PREFIX)
    fd = os.open(Path(made) / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)  # until this process ends, however it does
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _sweep(scratch: Path) -> None:
    """Remove our own folders of processes that are gone."""
    for old in scratch.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if old.stat().st_uid == os.getuid() and _is_left(old / _LOCK):
                shutil.rmtree(old, ignore_errors=True)


def _is_left(lock: Path) -> bool:
    """Whether nobody holds the lock. Raises OSError where there is none, as just after mkdtemp."""
    fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
