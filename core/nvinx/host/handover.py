"""A lease taken for another program: it holds the lease by a lock on a descriptor that it has open.

The other program, a shell that cannot lock, opens the lease's file and starts us; our lock on the
descriptor that we inherit is its lock, too. Or nobody is there yet to hold it: then the lease is
prepared, and held by us until whoever is to have it takes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.host.ledger import SqliteLedger
from nvinx.host.life import MARKER, ProcessLife

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

READY = ".nvinx.env"  # the environment of a task that has its lease
PREPARED = ".nvinx.held"  # the same, while the lease is held for it


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a lease's file lies: in the folder of the machine's leases, under the lease's id."""

    file: Path

    @property
    def id(self) -> str:
        return self.file.name.removesuffix(".lock")

    @property
    def state_dir(self) -> Path:
        return self.file.parents[1]


def new_seat(state_dir: Path) -> Seat:
    """A seat that nobody has, in a folder that is there for it. Raises StateDirError."""
    life = ProcessLife(state_dir / "life")
    return Seat(life.file(f"task-{os.getpid()}-{uuid.uuid4().hex[:8]}"))


def prepared_seat(state_dir: Path, folder: Path) -> Seat | None:
    """The seat of the lease that is held for the task in this folder, None if there is none."""
    token = _token(folder / PREPARED)
    if token is None:
        return None
    life = ProcessLife(state_dir / "life")
    return Seat(life.file(token)) if life.alive({token}) else None


def lock(seat: Seat, fd: int) -> bool:
    """Lock the seat for whoever shares the descriptor; False if its file was swept away before."""
    fcntl.flock(fd, fcntl.LOCK_SH)
    try:
        return os.path.samestat(os.fstat(fd), seat.file.stat())
    except FileNotFoundError:
        return False


def take_prepared(seat: Seat, folder: Path) -> bool:
    """Take the lease that is held for this locked seat, if it is in force; its holder then goes."""
    if _token(folder / PREPARED) != seat.id or not (seat.state_dir / "ledger.db").exists():
        return False
    ledger = SqliteLedger(seat.state_dir / "ledger.db")
    with contextlib.closing(ledger), ledger.turn() as page:
        held = any(lease.id == seat.id for lease in page.leases())
    if held:
        (folder / PREPARED).replace(folder / READY)
    return held


def write(exports: Mapping[str, str], file: Path) -> None:
    """The environment as a shell reads it; the file is there whole, or not at all."""
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports.items())
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _token(file: Path) -> str | None:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    marks = (line.partition(f"export {MARKER}=")[2] for line in lines)
    return next((shlex.split(mark)[0] for mark in marks if mark), None)
