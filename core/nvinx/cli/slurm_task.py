"""`nvinx slurm-task`: what the executor nvinx-slurm runs on a node, around the job's command."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="slurm-task", hidden=True, context_settings={"allow_interspersed_args": False})
@click.argument("task", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def command(task: Path, command: tuple[str, ...]) -> None:
    """Run COMMAND as the job of a TASK file, on the card that Slurm gave it."""
    from nvinx.slurm import node as slurm_node

    raise SystemExit(slurm_node.run(task, command, lambda line: click.echo(line, err=True)))
