"""`nvinx check`: what nvinx makes of each rule of a Snakemake workflow, before a run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options, snakemake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.command(name="check", context_settings={"ignore_unknown_options": True})
@click.argument(
    "words", metavar="[SNAKEFILE] [SNAKEMAKE_ARGS]...", nargs=-1, type=click.UNPROCESSED
)
@options.bench
@options.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *, words: tuple[str, ...], file: Path | None, state_dir: Path | None, as_json: bool
) -> None:
    """Show for each rule what nvinx understood, what it ignores and why, and what to write.

    SNAKEMAKE_ARGS go to Snakemake: targets, --config, --directory, and so on. Nothing is run. The
    exit status is 1 where something is wrong or ignored.
    """
    from nvinx.host import statedir

    source, arguments = snakemake.split(words)
    state = statedir.choose(state_dir, os.environ)
    given = ["--nvinx-state-dir", str(state), "--forceall", *arguments]
    given += [] if file is None else ["--nvinx-bench", str(file)]
    rules = json.loads(snakemake.written_by(source, "nvinx", "--nvinx-check", given))
    if as_json:
        click.echo(json.dumps(rules, indent=1))
    else:
        click.echo("\n".join(line for rule in rules for line in _lines(rule)))
    if any(rule[kind] for rule in rules for kind in ("doubtful", "ignored", "errors")):
        raise SystemExit(1)
    if not as_json:
        click.echo("Nothing is wrong, and nothing is ignored.")


def _lines(rule: dict[str, Any]) -> Iterator[str]:
    jobs = "1 job" if rule["jobs"] == 1 else f"{rule['jobs']} jobs"
    where = "; ".join(rule["runs"]) or ("error" if rule["errors"] else "not known yet")
    yield f"{rule['name']} ({jobs}): {where}"
    for kind in ("understood", "unknown", "doubtful", "ignored"):
        yield from (f"  {line}" for line in rule[kind])
    yield from (f"  error: {line}" for line in rule["errors"])
