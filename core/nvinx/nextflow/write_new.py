"""A file written for the user, who may have one of that name already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import NextflowError

if TYPE_CHECKING:
    from pathlib import Path


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
