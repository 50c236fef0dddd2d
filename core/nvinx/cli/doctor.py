"""`nvinx doctor`: what could keep nvinx from working well here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.cli.doctor_checks import Level

_COLOURS = {"ok": "green", "absent": "bright_black", "warning": "yellow", "error": "red"}


def _summary(levels: list[Level]) -> str:
    """What to make of it all: `nvinx can work here: 2 warnings, no error.`"""
    from nvinx.cli.doctor_checks import Level
    from nvinx.formatting import counted

    errors, warnings = levels.count(Level.ERROR), levels.count(Level.WARNING)
    verdict = "nvinx cannot work well here" if errors else "nvinx can work here"
    return f"{verdict}: {counted(errors, 'error')}, {counted(warnings, 'warning')}."


@click.command(name="doctor")
@options.bench
@options.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Check driver, cards, packages, folders and limits, and print a summary.

    `absent` marks optional parts that are not installed. The exit status is 1 when there is an
    error.
    """
    from dataclasses import asdict

    from nvinx.cli.doctor_checks import Level, findings

    found = list(findings(file, state_dir))
    if as_json:
        import json

        rows = [{**asdict(each), "level": each.level.value} for each in found]
        click.echo(json.dumps(rows, indent=1))
    else:
        for each in found:
            level = click.style(f"{each.level.value:<8}", fg=_COLOURS[each.level.value])
            fix = f"\n         Fix: {each.fix}." if each.fix else ""
            click.echo(f"{level} {each.what}: {each.found}{fix}")
        click.echo(f"\n{_summary([each.level for each in found])}")
    sys.exit(1 if any(each.level is Level.ERROR for each in found) else 0)
