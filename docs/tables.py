"""The tables of the reference that come from the code: `make docs` writes them into their pages.

A page has them between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import main
from nvinx.cli.nvinx_calibrate import main as nvinx_calibrate
from nvinx.metrics.gauges import METRICS
from snakemake_executor_plugin_nvinx.settings import ExecutorSettings
from snakemake_executor_plugin_nvinx_slurm.settings import OwnSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGES = Path(__file__).parent / "reference"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPTIONS = ("option", "values", "default", "meaning")
_VERBATIM = "\b"  # click's mark for a paragraph of examples


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _rows(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    return "\n".join([_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in rows)])


def _settings(prefix: str, settings: type) -> Iterator[tuple[str, ...]]:
    for each in fields(settings):
        meaning, _, default = each.metadata["help"].partition(" Default: ")
        values = ", ".join(f"`{value}`" for value in each.metadata.get("choices", ()))
        yield f"`{prefix}{each.name.replace('_', '-')}`", values, default.rstrip("."), meaning


def _metrics() -> Iterator[tuple[str, ...]]:
    for metric in METRICS:
        yield f"`{metric.name}`", ", ".join(f"`{label}`" for label in metric.labels), metric.help


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    """A section for the command, and for each command below it."""
    yield f"## {context.command_path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"`{context.command_path} {usage}`\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith(_VERBATIM):
            yield " ".join(paragraph.split()) + "\n"
    records = [each.get_help_record(context) for each in command.params]
    options = [record for record in records if record]
    if options:
        yield _rows(("option", "meaning"), ((f"`{o}`", m) for o, m in options)) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _commands(below, click.Context(below, context, name))


def _all_commands() -> str:
    roots = {"nvinx": main, "nvinx-calibrate": nvinx_calibrate}
    sections = (_commands(root, click.Context(root, None, name)) for name, root in roots.items())
    return "\n".join(line for section in sections for line in section)


def _made() -> dict[str, str]:
    return {
        "commands": _all_commands(),
        "executor": _rows(_OPTIONS, _settings("--nvinx-", ExecutorSettings)),
        "slurm": _rows(_OPTIONS, _settings("--nvinx-slurm-", OwnSettings)),
        "metrics": _rows(("metric", "labels", "value"), _metrics()),
    }


def pages() -> Iterator[tuple[Path, str]]:
    """Each page with such a table, and the text that it should have."""
    made = _made()
    for page in sorted(_PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if _TABLE.search(text):
            yield (
                page,
                _TABLE.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", text),
            )


if __name__ == "__main__":
    for page, text in pages():
        page.write_text(text, encoding="utf-8")
