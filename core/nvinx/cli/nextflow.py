"""`nvinx nextflow`: what a Nextflow pipeline needs to share the card."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nvinx.cli import options


@click.group(name="nextflow")
def command() -> None:
    """Let the tasks of a Nextflow pipeline share the card."""


@command.command()
def guard() -> None:
    """Print the shell text that makes a task wait for the card; nvinx.config calls it."""
    from nvinx.host import statedir
    from nvinx.nextflow import guard_script

    click.echo(guard_script.text(statedir.prepare(statedir.choose(None, os.environ))), nl=False)


@command.command()
@options.bench
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("nvinx.local.config"),
    show_default=True,
    help="The file to write; - prints it.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def config(file: Path | None, output: Path, force: bool) -> None:
    """Write the configuration for this machine, which includes the common one."""
    from nvinx.bench import machine
    from nvinx.nextflow import config as nextflow_config
    from nvinx.nextflow import shipped
    from nvinx.nextflow.write_new import write_new

    common = shipped.file(shipped.CONFIG)
    bench = machine.bench(file and file.absolute(), Path.cwd())
    text = nextflow_config.render(bench, common.read_text(encoding="utf-8"), str(common))
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    write_new(output, text, replace=force)
    click.echo(f"Wrote {output}. Use it with: nextflow run PIPELINE -c {output}")


@command.command()
@click.argument("pipeline", type=click.Path(exists=True, path_type=Path), default=Path())
def check(pipeline: Path) -> None:
    """Tell what in PIPELINE, a folder or its main.nf, is in nvinx's way; exit with 1 then."""
    from nvinx.nextflow import check as nextflow_check
    from nvinx.nextflow import pipeline as texts

    found = list(nextflow_check.of_environment(os.environ))
    for name, text in texts.files(pipeline):
        found += nextflow_check.of_text(name, text)
    for each in found:
        click.echo(f"{each.where}: {each.problem}. Fix: {each.fix}.")
    if found:
        raise SystemExit(1)
    click.echo("Nothing is in nvinx's way.")


@command.command("install-plugin")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Nextflow's folder of plugins; by default that of $NXF_PLUGINS_DIR or $NXF_HOME.",
)
def install_plugin(folder: Path | None) -> None:
    """Install the plugin with which tasks that wait for the card hold no CPU."""
    from nvinx.nextflow import install as nextflow_install

    plugin = nextflow_install.install_plugin(folder or nextflow_install.plugins(os.environ))
    name, _, version = plugin.name.rpartition("-")
    click.echo(f"Installed {plugin}. Use it with: nextflow run -plugins {name}@{version} ...")
