"""Files as they are on this machine."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from nvinx.errors import NextflowError
from nvinx.leases.ports import File

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1000  # files of one folder: more are a data set, not a model


def behind(path: str) -> tuple[File, ...]:
    """The file that a path names, links resolved, or the files of a folder, such as a model's.

    Empty where there is none; the folders in a folder are left out.
    """
    try:
        real = os.path.realpath(path)
        if not os.path.isdir(real):
            return _plain(real)
        names = sorted(os.listdir(real))
    except (OSError, ValueError):  # ValueError: no path can have such a character
        return ()
    inside = (os.path.realpath(os.path.join(real, name)) for name in names[:_MOST])
    return tuple(file for each in inside for file in _plain(each))


def _plain(real: str) -> tuple[File, ...]:
    try:
        status = os.stat(real)
    except OSError:
        return ()
    return (File(real, status.st_size),) if stat.S_ISREG(status.st_mode) else ()


def tail(path: Path, most: int) -> str:
    """The last bytes of a file as text; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - most, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def write_new(path: Path, text: str, *, replace: bool = False) -> None:
    """Write a file for the user. Raises NextflowError where it is there already, or cannot be."""
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        fix = "name another file with -o, or replace this one with --force"
        raise NextflowError(str(path), "the file is there already", fix) from error
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise NextflowError(str(path), problem, "name a writable place with -o") from error
