"""Two real users of one group, for tests that root runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = 54_322
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
# What Python loads late must be there before the user, who may not read this checkout, takes over.
_BECOME = """
import encodings.ascii, encodings.idna, os, sys
from pathlib import Path
import msgspec, platformdirs, psutil, sqlite3, tempfile, uuid
import nvinx.leases.client, nvinx.leases.snapshot, nvinx.bench.machine, nvinx.cli.status
import snakemake_executor_plugin_nvinx.job_shell
os.setgroups([{group}]); os.setgid({group}); os.setuid({uid})
os.environ["HOME"] = {home!r}
os.chdir({home!r})
"""


@dataclass(frozen=True, slots=True)
class User:
    """A user that this machine has no name for. home: a folder of its own."""

    uid: int
    home: Path

    def start(self, code: str) -> subprocess.Popen[str]:
        """Python code, run as this user with nvinx there to import."""
        program = _BECOME.format(group=GROUP, uid=self.uid, home=str(self.home))
        return subprocess.Popen(
            [sys.executable, "-c", program + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NVINX_"))},
        )

    def run(self, code: str) -> str:
        """What the code printed; fails the test where it went wrong."""
        started = self.start(code)
        said, complaint = started.communicate(timeout=100)
        assert started.returncode == 0, complaint
        return said


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can get to, as those of pytest's are closed at each start of it."""
    with tempfile.TemporaryDirectory(prefix="nvinx-users-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def make(folder: Path, uid: int) -> User:
    """A user whose home lies in the folder."""
    home = folder / f"home-{uid}"
    home.mkdir(mode=0o700)
    os.chown(home, uid, GROUP)
    return User(uid, home)


def shared_folder(folder: Path, owner: int) -> Path:
    """A state folder that the users' group shares."""
    shared = folder / "shared"
    shared.mkdir()
    os.chown(shared, owner, GROUP)
    shared.chmod(0o2770)
    return shared
