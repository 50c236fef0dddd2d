"""`nvinx jobs`: what the last run here did, job by job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from nvinx.runs.read import Ran

_MOST = 1000  # nobody reads further, and a table of 50,000 takes half a minute to lay out
_LEAST_WHY = 40  # columns, below which reasons get lines of their own
_INDENT = 3  # of these
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
    from rich.console import Console

    from nvinx.runs import lanes

    console = Console(markup=False, highlight=False, emoji=False)
    in_order = sorted(jobs, key=lambda j: (j.started_s is None, j.started_s, j.name))
    rows = [_row(job) for job in in_order[:most]]
    for line in lanes.draw(jobs, console.width):
        console.print(line, no_wrap=True)
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    left_for_why = console.width - sum(widths[:4]) - _BETWEEN
    if left_for_why >= _LEAST_WHY:
        console.print(_table(rows, [*widths[:4], left_for_why]))
    else:
        for line in _with_reasons_below(rows, widths, console.width):
            console.print(line, soft_wrap=True)
    if len(jobs) > most:
        console.print(f"... and {len(jobs) - most} more; --json lists all.")


def _table(rows: list[tuple[str, ...]], widths: list[int]) -> Table:
    """The widths are told to rich, which cuts letters off where it finds them by itself."""
    from rich import box
    from rich.table import Table

    job, placement, waited, ran, why = widths
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_HEAD[0], no_wrap=True, width=job)
    table.add_column(_HEAD[1], no_wrap=True, width=placement)
    table.add_column(_HEAD[2], justify="right", width=waited)
    table.add_column(_HEAD[3], justify="right", width=ran)
    table.add_column(_HEAD[4], overflow="fold", width=why)
    for row in rows:
        table.add_row(*row)
    return table


def _with_reasons_below(
    rows: list[tuple[str, ...]], widths: list[int], columns: int
) -> Iterator[str]:
    """For a narrow terminal: each reason in lines of its own, so that no word is broken."""
    from textwrap import wrap

    _, placement, waited, ran, _ = widths
    job = max(min(widths[0], columns - placement - waited - ran - _BETWEEN), len(_HEAD[0]))

    def line(name: str, *rest: str) -> str:
        where, waited_s, ran_s = rest
        return f" {name:{job}}   {where:{placement}}   {waited_s:>{waited}}   {ran_s:>{ran}}"

    yield ""
    yield line(*_HEAD[:4])
    yield f" {'─' * (len(line(*_HEAD[:4])) - 1)}"
    for name, where, waited_s, ran_s, why in rows:
        if len(name) > job:
            yield f" {name}"
        yield line("" if len(name) > job else name, where, waited_s, ran_s)
        indent = " " * _INDENT
        yield from wrap(why, columns, initial_indent=indent, subsequent_indent=indent)
    yield ""


def _row(job: Ran) -> tuple[str, ...]:
    where = (job.where or "never started") + (f" ({job.end_word})" if job.end_word else "")
    return job.name, where, _time(job.waited_s), _time(job.ran_s), job.why


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
