"""`nvinx nextflow`: what a Nextflow pipeline needs to share the card."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from nvinx.bench.resolve import Bench
    from nvinx.nextflow.resolved import Run
    from nvinx.nextflow.survey import Found


@click.group(name="nextflow")
def command() -> None:
    """Let the tasks of a Nextflow pipeline share the card."""


@command.command(short_help="Print the shell text that makes a task wait")
def guard() -> None:
    """Print the shell text that makes a task wait for the card; nvinx.config calls it."""
    from nvinx.host import statedir
    from nvinx.nextflow import guard_script

    click.echo(guard_script.text(statedir.prepare(statedir.choose(None, os.environ))), nl=False)


_RUN = {"ignore_unknown_options": True, "allow_extra_args": True}


def _run_options(function: Any) -> Any:
    """The words of `nextflow run` by which a pipeline is told."""
    for add in (
        click.option(
            "-profile", "--profile", default="", help="Its profiles, separated by commas."
        ),
        click.option(
            *("-c", "-config", "--config", "configs"),
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A further configuration file of the run; may be repeated.",
        ),
        click.option("-plugins", "--plugins", default="", help="Its plugins."),
    ):
        function = add(function)
    return function


def _run(pipeline: str, profile: str, configs: tuple[Path, ...], plugins: str) -> tuple[Run, bool]:
    """What Nextflow would be told, and whether it would use the plugin."""
    from nvinx.nextflow import resolved

    return resolved.Run(
        pipeline, profile, configs, _params(click.get_current_context().args)
    ), "nf-nvinx" in plugins


def _params(words: list[str]) -> tuple[tuple[str, str], ...]:
    """`--name value`, `--name=value`, or `--name` for what is switched on."""
    found: dict[str, str] = {}
    for word, following in pairwise([*words, "--"]):
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            found[name] = value if given else "true" if following.startswith("-") else following
    return tuple(found.items())


@command.command(context_settings=_RUN, short_help="Write the configuration for this machine")
@click.argument("pipeline", default="")
@_run_options
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
@click.option(
    "--spare-cpus",
    "spare",
    type=click.IntRange(min=0),
    help="CPUs that tasks may hold while they wait for a card, beyond the cores. By default "
    "4, or as many as there are cores if these are fewer; 0 with the plugin, where "
    "waiting tasks hold none.",
)
def config(
    *,
    pipeline: str,
    file: Path | None,
    output: Path,
    force: bool,
    spare: int | None,
    **words: Any,
) -> None:
    """Write the configuration for this machine, which includes the common one.

    With a PIPELINE and the options of its run, the file also has the lines that this pipeline
    needs: see `nvinx nextflow check`.
    """
    from nvinx.bench import machine
    from nvinx.nextflow import config as nextflow_config
    from nvinx.nextflow import remedy, shipped
    from nvinx.nextflow.write_new import write_new

    common = shipped.file(shipped.CONFIG)
    bench = machine.bench(file and file.absolute(), Path.cwd())
    found = _look(*_run(pipeline, **words), bench) if pipeline else []
    lines = remedy.block(line for each in found for line in each.finding.remedies)
    if spare is None:
        spare = 0 if "nf-nvinx" in words["plugins"] else nextflow_config.spare_cpus(bench)
    text = nextflow_config.render(bench, str(common), lines, spare=spare)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    write_new(output, text, replace=force)
    click.echo(f"Wrote {output}. Use it with: nextflow run {pipeline or 'PIPELINE'} -c {output}")


def _look(run: Run, plugin: bool, bench: Bench) -> list[Found]:
    from nvinx.nextflow import survey

    return survey.look(run, os.environ, plugin=plugin, cards=len(bench.cards))


@command.command(
    context_settings=_RUN, short_help="Find what keeps a pipeline from sharing the card"
)
@click.argument("pipeline", default=".")
@_run_options
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
def check(*, pipeline: str, strict: bool, **words: Any) -> None:
    """Find what keeps a run of PIPELINE from sharing the card; exit with 1 for errors.

    PIPELINE is a folder, its main script, or the name of one that Nextflow has pulled. Give the
    options that its run would have: -profile, -c, and its own parameters.
    """
    from nvinx.bench import machine
    from nvinx.nextflow import remedy
    from nvinx.nextflow.check import Severity

    found = _look(*_run(pipeline, **words), machine.bench(None, Path.cwd()))
    for each in found:
        click.echo(_told(each, words["profile"]))
    lines = remedy.block(line for each in found for line in each.finding.remedies)
    if lines:
        wanted = " ".join([pipeline, *_as_words(**words)])
        click.echo(f"\nThese lines fix it, in a file that is given last with -c.\n\n{lines}")
        click.echo(f"To write them: nvinx nextflow config {wanted}")
    if not found:
        click.echo("No problems found.")
    if any(strict or each.finding.severity is Severity.ERROR for each in found):
        raise SystemExit(1)


def _told(each: Found, profile: str) -> str:
    finding = each.finding
    of_profile = f" with -profile {profile}" if each.of_profile else ""
    fix = f" Fix: {finding.fix}." if finding.fix else ""
    return f"{finding.severity}: {finding.where}{of_profile}: {finding.problem}.{fix}"


def _as_words(profile: str, configs: tuple[Path, ...], **_: Any) -> list[str]:
    files = [word for file in configs for word in ("-c", str(file))]
    return [*(["-profile", profile] if profile else []), *files]


@command.command("install-plugin", short_help="Install the optional Nextflow plugin")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Nextflow's folder of plugins; by default that of $NXF_PLUGINS_DIR or $NXF_HOME.",
)
def install_plugin(folder: Path | None) -> None:
    """Install the plugin, with which tasks hold no CPU while they wait for the card."""
    from nvinx.nextflow import install as nextflow_install

    plugin = nextflow_install.install_plugin(folder or nextflow_install.plugins(os.environ))
    name, _, version = plugin.name.rpartition("-")
    click.echo(f"Installed {plugin}. Use it with: nextflow run -plugins {name}@{version} ...")
