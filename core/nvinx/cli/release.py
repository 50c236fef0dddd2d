"""`nvinx release`: end what keeps a lease, or let the lease go without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from nvinx.cli import options
from nvinx.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nvinx.leases.holders import Holder


@click.command(name="release")
@click.argument("lease_id", metavar="ID")
@click.option("--disown", is_flag=True, help="Release the lease, but keep its processes running.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.state_dir
def command(lease_id: str, disown: bool, yes: bool, state_dir: Path | None) -> None:
    """End the processes that keep the lease ID, as `nvinx status` shows it.

    A program that a job left behind keeps the job's lease, since it may use the card. With --disown
    it keeps running, and its use of the card counts like that of any other program.
    """
    from nvinx.host import statedir
    from nvinx.leases import holders, snapshot

    folder = statedir.choose(state_dir, os.environ)
    if lease_id not in {lease.id for lease in snapshot.leases(folder)}:
        fix = "see the leases and their ids with nvinx status --json"
        raise OptionError(f"ID {lease_id}", "there is no such lease", fix)
    found = holders.holders(lease_id)
    if not found and not disown:
        problem = "no process that keeps it is visible from here"
        raise OptionError(f"ID {lease_id}", problem, "release it with --disown")
    if not yes:
        click.confirm(_question(found, disown), abort=True, err=True)
    if not disown:
        holders.end(found)
    holders.disown(folder, lease_id)


def _question(found: Sequence[Holder], disown: bool) -> str:
    who = ", ".join(f"{holder.pid} ({holder.command})" for holder in found) or (
        "no visible process"
    )
    return f"Release the lease although it is kept by {who}?" if disown else f"End process {who}?"
