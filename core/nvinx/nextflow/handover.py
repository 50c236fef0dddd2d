"""A lease taken for another program: it holds the lease by a lock on a descriptor that it has open.

The other program, a shell that cannot lock, opens the lease's file and starts us; our lock on the
descriptor that we inherit is its lock, too.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.errors import StateDirError
from nvinx.host.plain_files import demand_plain
from nvinx.leases import tokens
from nvinx.leases.liveness import ProcessLiveness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

READY = ".nvinx.env"  # the environment of a task that has its lease
HELD = ".nvinx.held"  # for a shell: how to take over the lease that is held for the task
REFUSED = ".nvinx.refused"  # the same file, of a lease that the shell could not take over


class LeaseFile(Struct, frozen=True):
    """Where a lease's file lies: in the folder of the machine's leases, under the lease's id."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name.removesuffix(".lock")


def new_lease_file(state_dir: Path) -> LeaseFile:
    """A file that nobody has, in a folder that is there for it. Raises StateDirError."""
    liveness = ProcessLiveness(state_dir / "life")
    return LeaseFile(liveness.file(f"task-{tokens.new()}"))


def lock(file: LeaseFile, fd: int) -> bool:
    """Lock the file for whoever shares the descriptor; False if it was swept away before.

    Raises StateDirError where somebody put something else in its place.
    """
    fcntl.flock(fd, fcntl.LOCK_SH)
    try:
        demand_plain(file.path)
        return os.path.samestat(os.fstat(fd), file.path.lstat())
    except FileNotFoundError:
        return False
    except OSError as error:
        fix = "find out who replaced it, and remove it"
        raise StateDirError(
            str(file.path.parent), f"{file.path.name} {error.strerror}", fix
        ) from error


def as_shell(exports: Mapping[str, str]) -> str:
    """The environment as a shell reads it."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports.items())
