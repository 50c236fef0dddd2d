"""`nvinx jobs`: what the last run here did, job by job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nvinx.runs.read import Ran

_MOST = 1000  # nobody reads further, and a table of 50,000 takes half a minute to lay out
_JOB_WIDTH = 22
_LEAST_WHY = 26
_BETWEEN = 14  # columns of space around and between the five
_HEAD = ("job", "placement", "waited", "ran", "why")


@click.command(name="jobs")
@click.argument(
    "folder", default=".", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Show the last run in FOLDER: lanes, where each job ran, how long it waited, and why."""
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

    console = Console(markup=False, highlight=False, emoji=False)
    in_order = sorted(jobs, key=lambda j: (j.started_s is None, j.started_s, j.name))
    rows = [_row(job) for job in in_order[:most]]
    job, placement, waited, ran, why = _widths(rows, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_HEAD[0], overflow="fold", width=job)
    table.add_column(_HEAD[1], no_wrap=True, width=placement)
    table.add_column(_HEAD[2], justify="right", width=waited)
    table.add_column(_HEAD[3], justify="right", width=ran)
    table.add_column(_HEAD[4], overflow="fold", width=why)
    for row in rows:
        table.add_row(*row)
    for line in lanes.draw(jobs, console.width):
        console.print(line, no_wrap=True)
    console.print(table)
    if len(jobs) > most:
        console.print(f"... and {len(jobs) - most} more; --json lists all.")


def _row(job: Ran) -> tuple[str, ...]:
    where = (job.where or "never started") + (f" ({job.end_word})" if job.end_word else "")
    return job.name, where, _time(job.waited_s), _time(job.ran_s), job.why


def _widths(rows: list[tuple[str, ...]], columns: int) -> list[int]:
    """Of each column: names have what they need where reasons then have enough as well.

    They are told to rich, which cuts letters off where it finds the widths by itself.
    """
    widest = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    left = columns - sum(widest[1:4]) - _BETWEEN
    job = max(min(widest[0], left - _LEAST_WHY), min(widest[0], _JOB_WIDTH))
    return [job, *widest[1:4], max(left - job, len(_HEAD[4]))]


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
