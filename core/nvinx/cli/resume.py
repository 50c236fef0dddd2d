"""`nvinx resume`: have a job go on that its engine left suspended."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nvinx.cli import options
from nvinx.errors import OptionError


@click.command(name="resume")
@click.argument("lease_id", metavar="ID")
@options.bench
@options.state_dir
def command(lease_id: str, file: Path | None, state_dir: Path | None) -> None:
    """Resume the suspended job of the lease ID, as `nvinx status` shows it (experimental).

    For one whose engine was killed: an engine that lives does it by itself. It waits until the
    job's card has room for it, like any other job, and ends as soon as the job runs.
    """
    from nvinx.bench import machine
    from nvinx.host import statedir
    from nvinx.leases import snapshot
    from nvinx.leases.client import LeaseClient
    from nvinx.leases.wait_messages import WaitMessages

    left = snapshot.left_suspended(statedir.choose(state_dir, os.environ))
    lease = next((each for each in left if each.id == lease_id), None)
    if lease is None:
        problem = "no job that was left suspended has this lease"
        raise OptionError(f"ID {lease_id}", problem, "see them and their ids with nvinx status")
    name, bench = lease.job.name, machine.bench(file, Path.cwd())
    with LeaseClient(bench, state_dir, source=name, say=_say) as client:
        client.resume(lease, WaitMessages(name, _say, limit_s=None))
    _say(f"nvinx: {name} goes on; nothing waits for its end")


def _say(line: str) -> None:
    click.echo(line, err=True)
