"""The files of a Nextflow pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import NextflowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = (".nf", ".config")
_NOT_THE_PIPELINES = {"work", "results", "node_modules"}


def files(pipeline: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each script and configuration; nvinx's own are left out.

    pipeline: its folder, or its main script. Raises NextflowError where there is none, or one
    cannot be read.
    """
    folder = pipeline if pipeline.is_dir() else pipeline.parent
    found = sorted(path for kind in _KINDS for path in folder.rglob(f"*{kind}"))
    paths = [path for path in found if _is_the_pipelines(path.relative_to(folder))]
    if not paths:
        fix = "name the folder that holds main.nf"
        raise NextflowError(str(pipeline), "holds no Nextflow script or configuration", fix)
    for path in paths:
        yield str(path), _text(path)


def _is_the_pipelines(path: Path) -> bool:
    hidden = any(part.startswith(".") or part in _NOT_THE_PIPELINES for part in path.parts[:-1])
    ours = path.name.startswith("nvinx") and path.suffix == ".config"
    return not hidden and not ours


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise NextflowError(str(path), problem, "make it readable for you") from error
