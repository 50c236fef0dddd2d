"""`nvinx jobs`: what the last run here did, job by job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nvinx.runs.read import Ran

_MOST = 1000  # nobody reads further, and a table of 50,000 takes half a minute to lay out
_JOB_WIDTH = 22


@click.command(name="jobs")
@click.argument(
    "folder", default=".", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Show the last run in FOLDER: the lanes, and where each job ran, how long it waited, why."""
    from nvinx.runs import read as recorded

    run = recorded.demand_last(folder)
    if as_json:
        import json
        from dataclasses import asdict

        jobs = [{"id": i, **asdict(job)} for i, job in run.jobs.items()]
        click.echo(json.dumps({"jobs": jobs}, indent=1))
    else:
        show(list(run.jobs.values()))


def show(jobs: list[Ran], most: int = _MOST) -> None:
    """Print the lanes, and a table of the jobs, of the first `most`, in the order of starts."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from nvinx.runs import lanes

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", overflow="fold", min_width=_JOB_WIDTH)
    table.add_column("placement", no_wrap=True)
    table.add_column("waited", justify="right")
    table.add_column("ran", justify="right")
    table.add_column("why", overflow="fold")
    in_order = sorted(jobs, key=lambda j: (j.started_s is None, j.started_s, j.name))
    for job in in_order[:most]:
        where = job.where or "never started"
        end = f" ({job.end_word})" if job.end_word else ""
        table.add_row(job.name, where + end, _time(job.waited_s), _time(job.ran_s), job.why)
    console = Console(markup=False, highlight=False, emoji=False)
    for line in lanes.draw(jobs, console.width):
        console.print(line, no_wrap=True)
    console.print(table)
    if len(jobs) > most:
        console.print(f"... and {len(jobs) - most} more; --json lists all.")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
