"""The scripts of a Nextflow pipeline: its main one, and those that this includes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.errors import NextflowError
from nvinx.nextflow import script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.nextflow.script import Process

_MAIN = "main.nf"


class Member(Struct, frozen=True):
    """A process of the pipeline, under each name by which it is included. where: file and line."""

    process: Process
    names: tuple[str, ...]
    where: str


def main_script(pipeline: str, environ: Mapping[str, str], named: str = _MAIN) -> Path:
    """named: by the manifest. Raises NextflowError where it is not here."""
    here = Path(pipeline)
    for place in (here, _pulled(pipeline, environ)):
        found = place / named if place.is_dir() else place
        if found.is_file():
            return found
    fix = f"name the folder that holds {named}, or `nextflow pull` it first"
    raise NextflowError(pipeline, "holds no Nextflow script", fix)


def members(main: Path) -> Iterator[Member]:
    """Each process of the script and of all that it includes. Raises NextflowError."""
    aliases: dict[str, set[str]] = {}
    texts = dict(_texts(main, aliases))
    for path, text in texts.items():
        for process in script.processes(text):
            names = aliases.get(process.name) or {process.name}
            yield Member(process, tuple(sorted(names)), f"{_shown(path)}, line {process.line}")


def _texts(main: Path, aliases: dict[str, set[str]]) -> Iterator[tuple[Path, str]]:
    todo, seen = [main], set[Path]()
    while todo:
        path = todo.pop(0)
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        text = _text(path)
        yield path, text
        for include in script.includes(text):
            for name, alias in include.names:
                aliases.setdefault(name, set()).add(alias)
            todo += _included(path.parent, include.source)


def _included(folder: Path, source: str) -> list[Path]:
    """The script that is meant; none where that is computed, or a plugin's."""
    meant = folder / source
    places = (meant, meant.with_name(f"{meant.name}.nf"), meant / _MAIN)
    return [place for place in places if place.is_file()][:1]


def _pulled(pipeline: str, environ: Mapping[str, str]) -> Path:
    """Where Nextflow keeps a pipeline that it was told by its name."""
    home = Path(environ.get("NXF_HOME") or Path.home() / ".nextflow")
    return Path(environ.get("NXF_ASSETS") or home / "assets") / pipeline


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise NextflowError(str(path), problem, "make it readable for you") from error
