"""The `nvinx` command: one file per verb, loaded when it is asked for."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from nvinx.cli.verbs import SHOWN, TOPICS, VERBS
from nvinx.errors import NvinxError, OptionError
from nvinx.formatting import plain

DISTRIBUTION = "snakemake-executor-plugin-nvinx"
_REFUSED = 2
_WIDEST = max(map(len, SHOWN))
_LONGEST = 5000  # letters of a message


class _Verbs(click.Group):
    """Finds each verb in the module of its name; what nvinx reports on purpose is one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(
            f"nvinx.cli.{cmd_name.replace('-', '_')}"
        ).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The verb that is asked for, or an error that says which one was meant."""
        asked = args[0] if args else ""
        if asked in VERBS or asked.startswith("-"):
            return super().resolve_command(ctx, args)
        import difflib

        close = difflib.get_close_matches(asked, SHOWN, 1)
        meant = f"Did you mean nvinx {close[0]}?" if close else "nvinx --help lists all commands."
        raise click.UsageError(f"There is no nvinx {plain(asked)}. {meant}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """By topic, in lines that are not cut; no verb is loaded for it."""
        for topic, verbs in TOPICS.items():
            with formatter.section(topic):
                formatter.write_dl([(f"{verb:<{_WIDEST}}", line) for verb, line in verbs.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The verbs and options of `nvinx` itself; no verb is loaded for it."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(v, help=t) for v, t in SHOWN.items() if v.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _demand_folder()
            return super().invoke(ctx)
        except NvinxError as error:
            _refuse(ctx, str(error))
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            _refuse(
                ctx, f"{error.strerror or error}{where}. Fix: check permissions and free space."
            )


def _demand_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        problem = f"cannot be used ({error.strerror})"
        raise OptionError("the working folder", problem, "change to an existing folder") from error


def _refuse(ctx: click.Context, text: str) -> None:
    click.echo(f"nvinx: {plain(' '.join(text.split()), _LONGEST)}", err=True)
    ctx.exit(_REFUSED)


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib import metadata

    try:
        version = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"nvinx {version}")
    ctx.exit()


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Keep one small GPU, its CPU and its RAM busy at the same time."""
