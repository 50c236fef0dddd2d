"""What a job with a range of VRAM is told of its budget, and what it answers: two small files.

`TOKEN.budget` holds one line, the budget in MB and how often it was changed: `2000 3`. The job
answers by that very line in `TOKEN.budget.kept`, once it uses no more than that.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nvinx.host import statedir
from nvinx.host.plain_files import make_plain, open_plain

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "NVINX_BUDGET"  # the first file
ANSWER = ".kept"
DRAFT = ".new"  # of a file that is being written, or whose writer was killed
_LONGEST = 60
_LINE = r"(?a)(\d{1,15}) (\d{1,15})\n"


class Told(NamedTuple):
    """A budget in MB (10^6 bytes), and how often it was changed before."""

    mb: int
    number: int

    @property
    def line(self) -> str:
        return f"{self.mb} {self.number}\n"


def answer_file(file: Path) -> Path:
    """Where the job answers what it was told in the file."""
    return file.with_name(f"{file.name}{ANSWER}")


def read(file: Path) -> Told | None:
    """What it says; None where it is not there, or says something else."""
    try:
        fd = open_plain(file)
        try:
            found = re.match(_LINE, os.read(fd, _LONGEST).decode(errors="replace"))
        finally:
            os.close(fd)
    except OSError:
        return None
    return None if found is None else Told(int(found[1]), int(found[2]))


def answer(told: Told, file: Path) -> None:
    """Say that no more than this is used. file: the one that told it."""
    if read(answer_file(file)) != told:
        write(told, answer_file(file))


def write(told: Told, file: Path) -> bool:
    """Whole or not at all, with the rights of the file's folder; whether it could be written.

    Where several write at once, one of them has written.
    """
    draft = file.with_name(f"{file.name}{DRAFT}")
    with suppress(OSError):
        draft.unlink(missing_ok=True)
        fd = make_plain(draft, statedir.file_mode(file.parent))
        try:
            os.write(fd, told.line.encode())
        finally:
            os.close(fd)
        draft.replace(file)
        return True
    return False
