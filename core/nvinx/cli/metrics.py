"""`nvinx metrics`: for Prometheus and Grafana."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import click

from nvinx.cli import options

_DEFAULT = "127.0.0.1:9108"


@click.command(name="metrics")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Serve Prometheus at this address until interrupted, such as {_DEFAULT}. By default "
    "print once.",
)
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the metrics once to this .prom file, for node_exporter.",
)
@click.option("--rules", "wants_rules", is_flag=True, help="Print alert rules for Prometheus.")
@click.option("--dashboard", "wants_dashboard", is_flag=True, help="Print a Grafana dashboard.")
@options.bench
@options.state_dir
def command(
    *,
    listen: str | None,
    textfile: Path | None,
    wants_rules: bool,
    wants_dashboard: bool,
    file: Path | None,
    state_dir: Path | None,
) -> None:
    """Export the state of cards, leases and the queue to a monitoring system."""
    if wants_rules or wants_dashboard:
        click.echo(_text(wants_rules=wants_rules))
        return
    from nvinx.bench import machine
    from nvinx.host import statedir
    from nvinx.metrics import exporter

    folder = statedir.choose(state_dir, os.environ)
    source = exporter.Exporter(machine.bench(file, Path.cwd()), folder)
    if textfile is not None:
        exporter.write(source, textfile)
    if listen is not None:
        host, port = _address(listen)
        port = exporter.serve(source, host, port)
        click.echo(f"nvinx: metrics on http://{host}:{port}/metrics, until Ctrl-C", err=True)
        threading.Event().wait()
    elif textfile is None:
        click.echo(exporter.text(source), nl=False)


def _text(*, wants_rules: bool) -> str:
    from nvinx.metrics import alerts

    if wants_rules:
        import yaml

        return str(yaml.safe_dump(alerts.rules(), sort_keys=False, width=120)).rstrip()
    import json

    return json.dumps(alerts.dashboard(), indent=1)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        raise click.BadParameter(
            f"{text!r} is not a HOST:PORT, such as {_DEFAULT}", param_hint="--listen"
        )
    return host.strip("[]"), int(port)
