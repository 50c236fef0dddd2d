"""`nvinx report`: a run as a page to look at."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report")
@click.argument("run", default=".", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The page to write.",
)
def command(run: Path, output: Path) -> None:
    """Write RUN as one HTML page: lanes, VRAM, CPU, a table of its jobs, and what to change.

    RUN is a workflow's folder, for its last run, or a trace (.nvinx/trace*).
    """
    from nvinx.host import extras
    from nvinx.runs import read as recorded
    from nvinx.runs import report_page

    extras.require(*report_page.NEEDS)

    found = recorded.last(run) if run.is_dir() else recorded.read(run)
    if found is None:
        first = "run snakemake --executor nvinx, or nextflow, there first"
        raise click.ClickException(f"no run is recorded in {run}; {first}")
    folder = run if run.is_dir() else run.parent.parent
    text = report_page.render(found, folder.resolve().name)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written ({error.strerror})") from error
    click.echo(f"Wrote {output} ({len(found.jobs)} jobs). Open it in a browser.")
