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
@click.option("--disown", is_flag=True, help="Let the lease go, and its processes live.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.state_dir
def command(lease_id: str, disown: bool, yes: bool, state_dir: Path | None) -> None:
    """End the processes that keep the lease ID, as `nvinx status` shows it.

    A program that a job left behind keeps the job's lease, since it may use the card. With --disown
    it lives on, and what it uses of the card counts as any other program's.
    """
    from nvinx.host import statedir
    from nvinx.leases import holders, snapshot

    folder = statedir.choose(state_dir, os.environ)
    if lease_id not in {lease.id for lease in snapshot.leases(folder)}:
        fix = "see the leases and their ids with nvinx status --json"
        raise OptionError(f"ID {lease_id}", "nobody holds such a lease", fix)
    found = holders.holders(lease_id)
    if not found and not disown:
        problem = "nothing that keeps it can be seen from here"
        raise OptionError(f"ID {lease_id}", problem, "give it up with --disown")
    if not yes:
        click.confirm(_question(found, disown), abort=True, err=True)
    if not disown:
        holders.end(found)
    holders.disown(folder, lease_id)


def _question(found: Sequence[Holder], disown: bool) -> str:
    who = ", ".join(f"{holder.pid} ({holder.command})" for holder in found) or "none that is seen"
    return f"Let the lease go though it is kept by {who}?" if disown else f"End process {who}?"
