"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path

import click

bench = click.option(
    "--bench", "file", type=click.Path(path_type=Path), help="The bench file to use."
)
state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="The state folder, before $NVINX_STATE_DIR and the user's own.",
)
