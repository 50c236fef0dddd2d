"""`nvinx completion`: what a shell needs to complete verbs, options and files."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_NVINX_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the completion script of nvinx for SHELL.

    \b
    bash, in ~/.bashrc:                    eval "$(nvinx completion bash)"
    zsh, in ~/.zshrc, after compinit:      eval "$(nvinx completion zsh)"
    fish, in ~/.config/fish/config.fish:   nvinx completion fish | source
    """
    from click.shell_completion import get_completion_class

    from nvinx.cli import main

    made = get_completion_class(shell)
    if made is None:
        raise click.ClickException(f"this version of click has no completion for {shell}")
    click.echo(made(main, {}, "nvinx", _VARIABLE).source())
