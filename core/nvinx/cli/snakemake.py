"""Snakemake run for what one of our executors writes down instead of running jobs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.errors import OptionError
from nvinx.formatting import plain

if TYPE_CHECKING:
    from collections.abc import Sequence


def split(words: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Snakemake's own Snakefile, unless the first word names another source; the rest is for it."""
    from nvinx.bench.file import default_snakefile

    named = bool(words) and not words[0].startswith("-")
    source = Path(words[0]) if named else default_snakefile(Path()) or Path("Snakefile")
    if not source.is_file():
        problem = "no such file" if named else "none here, nor below workflow/"
        fix = "name the Snakefile, or change to the workflow's folder"
        raise OptionError(plain(str(source)), problem, fix)
    return source, words[1:] if named else words


def written_by(snakefile: Path, executor: str, option: str, arguments: Sequence[str]) -> str:
    """What the executor writes to the file that an option of it names.

    Where it writes none, Snakemake's words are shown, and its exit status is ours.
    """
    with tempfile.TemporaryDirectory() as name:
        written = Path(name) / "written"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--executor", executor, "--jobs", "unlimited", "--nolock", "--nocolor"]
        command += ["--quiet", "host", option, str(written), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if not written.exists():
            click.echo(done.stdout + done.stderr, err=True, nl=False)
            raise SystemExit(done.returncode or 1)
        return written.read_text(encoding="utf-8")
