"""What is calibrated: a loader of a model, or a command. Named on the command line."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nvinx.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOADER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class Program:
    """One model's work, repeated: calls of a loaded ProfileTarget, or runs of a shell command.

    loader: `module:attribute` of a callable without arguments that returns a ProfileTarget.
    """

    name: str
    loader: str | None = None
    command: str | None = None

    def plain(self) -> dict[str, str | None]:
        return asdict(self)


def parse(loaders: Sequence[str], commands: Sequence[str]) -> list[Program]:
    """The programs that `--model [NAME=]module:loader` and `--command NAME='cmd'` name.

    Raises CalibrationError for what cannot be understood, and for a name that comes twice.
    """
    programs = [*map(_from_loader, loaders), *map(_from_command, commands)]
    names = [program.name for program in programs]
    for name in names:
        if names.count(name) > 1:
            fix = f"give one of them another name: NAME=..., as in {name}_2=..."
            raise CalibrationError(name, "two programs have this name", fix)
    return programs


def _from_loader(text: str) -> Program:
    name, found, loader = text.rpartition("=")
    if not _LOADER.fullmatch(loader) or (found and not name):
        fix = "write --model module:loader, or --model NAME=module:loader"
        raise CalibrationError(f"--model {text}", "is not a module:loader", fix)
    return Program(name or loader.rpartition(":")[2], loader=loader)


def _from_command(text: str) -> Program:
    name, _, command = text.partition("=")
    if not name.strip() or not command.strip():
        fix = "write --command NAME='program and arguments'"
        raise CalibrationError(f"--command {text}", "names no program", fix)
    return Program(name.strip(), command=command.strip())
