"""A pipeline's configuration as Nextflow itself resolves it for a run."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nvinx.errors import NextflowError
from nvinx.formatting import plain

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_S = 300.0


class Run(Struct, frozen=True):
    """What `nextflow run` would be told. profile: its names, with commas. params: by name."""

    pipeline: str
    profile: str = ""
    configs: tuple[Path, ...] = ()
    params: tuple[tuple[str, str], ...] = ()


def config(run: Run) -> dict[str, Any]:
    """All scopes; a closure is its text. Raises NextflowError."""
    files = [word for file in run.configs for word in ("-c", str(file))]
    profile = ["-profile", run.profile] if run.profile else []
    words = ["nextflow", *files, "config", run.pipeline, *profile, "-o", "json"]
    found = _json(words)
    return found | {"params": {**_scope(found, "params"), **dict(run.params)}}


def _scope(found: dict[str, Any], name: str) -> dict[str, Any]:
    scope = found.get(name)
    return scope if isinstance(scope, dict) else {}


def _json(words: list[str]) -> dict[str, Any]:
    said = _said(words)
    try:
        found = json.loads(said[said.index("{") :])
    except ValueError:
        problem = f"printed no configuration ({_last_line(said)})"
        raise NextflowError(" ".join(words), problem, "see .nextflow.log") from None
    return found if isinstance(found, dict) else {}


def _said(words: list[str]) -> str:
    """What Nextflow prints. Raises NextflowError."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_ANSWER_S)
    except FileNotFoundError:
        fix = "run this where Nextflow is installed"
        raise NextflowError("nextflow", "the program is not on PATH", fix) from None
    except subprocess.TimeoutExpired:
        fix = "try it by hand"
        raise NextflowError(" ".join(words), "gave no answer in five minutes", fix) from None
    if done.returncode:
        problem = f"failed ({_last_line(done.stdout + done.stderr)})"
        raise NextflowError(" ".join(words), problem, "correct what it says, and try again")
    return done.stdout


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Error" in line]
    return plain((errors or lines or ["nothing"])[0], 200)
