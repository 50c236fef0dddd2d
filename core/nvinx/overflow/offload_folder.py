"""A folder in the job's scratch space for weights that fit neither card nor RAM."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from nvinx.host import locks

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
            if old.lstat().st_uid == os.getuid() and not locks.is_held(old / _LOCK):
                shutil.rmtree(old, ignore_errors=True)
