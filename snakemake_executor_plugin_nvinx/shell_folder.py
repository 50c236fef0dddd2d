"""Where the shells of jobs lie: they are executed, so nobody else may be able to replace them.

The state folder will do where it is this user's alone. One that a group shares will not; then they
lie below the user's own state, under a name that tells machines and state folders apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.errors import StateDirError
from nvinx.host import private

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIX = "make your home folder writable only for you, or set XDG_STATE_HOME to a folder of yours"


def make(state_dir: Path) -> Path:
    """A folder for all engines of this user.

    Raises StateDirError where nothing is private, and OSError where the state folder is, but cannot
    be written.
    """
    places = list(candidates(state_dir))
    if private.make(places[0]):
        return places[0]
    for folder in places[1:]:
        with contextlib.suppress(OSError):
            if private.make(folder):
                return folder
    tried = ", ".join(str(folder) for folder in places)
    problem = f"others could replace what jobs run, or it could not be run, in each of {tried}"
    raise StateDirError(str(state_dir), problem, _FIX)


def candidates(state_dir: Path) -> Iterator[Path]:
    """The places in order."""
    from platformdirs import user_state_path

    yield state_dir / "shells"
    name = f"shells-{_key(state_dir)}"
    yield user_state_path("nvinx", appauthor=False) / name
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "nvinx" / name


def _key(state_dir: Path) -> str:
    machine = os.uname().nodename
    return hashlib.sha256(f"{machine}:{state_dir.resolve()}".encode()).hexdigest()[:16]
