"""Options that several verbs have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nvinx.bench.resolve import Bench

bench = click.option(
    "--bench", "file", type=click.Path(path_type=Path), help="The bench file to use."
)
state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="The state folder, before $NVINX_STATE_DIR and the user's own.",
)


def progress(doing: str) -> None:
    """Say what takes its time, to somebody who looks on."""
    if sys.stderr.isatty():
        click.echo(f"nvinx: {doing}", err=True)


def tell_doubts(bench: Bench) -> None:
    """Warn of what can hardly be meant in the bench file."""
    for doubt in bench.doubts:
        click.echo(f"nvinx: {doubt}.", err=True)
