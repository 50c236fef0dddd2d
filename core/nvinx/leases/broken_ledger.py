"""A ledger that is broken: how that is noticed, and how its file is put aside for a new one."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("", "-wal", "-shm")
# What SQLite says of the disk, of rights or of others, who may all be well in a moment.
_OF_THE_MACHINE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
}
_SHORT_READ = sqlite3.SQLITE_IOERR_SHORT_READ
_PRIMARY_CODE = 0xFF  # SQLite's error without its subtype
ERRORS = (sqlite3.Error, UnicodeDecodeError)  # of a file that is broken, among others


class BrokenLedgerError(sqlite3.DatabaseError):
    """SQLite can read the ledger, but what is in there is not what nvinx wrote."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's number of the error; 0 where Python's module raised it by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


def is_breakage(error: BaseException) -> bool:
    """Whether the error says that the file is broken, and not that the disk is, or is full.

    What we ask is always the same, so whatever else SQLite finds wrong with it is the file's fault.
    """
    if isinstance(error, (BrokenLedgerError, UnicodeDecodeError)):
        return True  # the latter where SQLite's message quotes what is in the file
    if not isinstance(error, sqlite3.Error) or primary_code(error) == 0:
        return False
    is_cut_off = error.sqlite_errorcode == _SHORT_READ
    return is_cut_off or primary_code(error) not in _OF_THE_MACHINE


def put_aside(path: Path) -> None:
    """Rename the ledger's files, the ledger itself first, in place of any put aside before.

    To be called while nobody else can make a new one. Raises OSError.
    """
    aside = path.with_name(f"{path.stem}-broken{path.suffix}")
    for part in PARTS:
        file = path.with_name(path.name + part)
        if file.exists():
            file.rename(aside.with_name(aside.name + part))
        else:
            aside.with_name(aside.name + part).unlink(missing_ok=True)
    _tell(path, aside)


def _tell(path: Path, aside: Path) -> None:
    import logging

    logging.getLogger(__name__).warning(
        "nvinx: %s cannot be read, so it was moved to %s; a new ledger takes over the live leases",
        path,
        aside.name,
    )
