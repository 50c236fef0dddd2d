"""Files as they are on this machine."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def tail(path: Path, most: int) -> str:
    """The last bytes of a file as text; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - most, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def write_once(file: Path, text: str) -> None:
    """Write a file that is always the same; one that is there, a link too, is left alone."""
    with contextlib.suppress(FileExistsError), file.open("x", encoding="utf-8") as new:
        new.write(text)


def write(text: str, file: Path) -> None:
    """The file is there whole, or not at all."""
    write_bytes(text.encode(), file)


def write_bytes(raw: bytes, file: Path) -> None:
    """The same; of several that write it at once, the last one's is there."""
    part = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_bytes(raw)
    part.replace(file)
