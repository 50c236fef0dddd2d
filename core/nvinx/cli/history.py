"""`nvinx history`: how jobs ran before, and what to declare for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import options
from nvinx.formatting import gb

if TYPE_CHECKING:
    from nvinx.history.summary import KindSummary

if TYPE_CHECKING:
    from nvinx.history.summary import KindSummary


@click.command(name="history")
@click.argument("rule", required=False)
@click.option("--forget", is_flag=True, help="Forget RULE's runs, or all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.bench
@options.state_dir
def command(
    *, rule: str | None, forget: bool, as_json: bool, file: Path | None, state_dir: Path | None
) -> None:
    """Show each kind of job that ran here (or RULE): its times, declared against measured VRAM.

    A kind is a rule with what it runs, or the name given to `nvinx run`. Times are medians of the
    last runs: alone on a card, beside others there, and on the CPU.
    """
    from nvinx.bench import machine
    from nvinx.history import summary as history_summary
    from nvinx.history.store import SqliteHistory
    from nvinx.host import statedir

    bench = machine.bench(file, Path.cwd())
    history = SqliteHistory(statedir.choose(state_dir, os.environ) / "history.db")
    runs = [entry.run for entry in history.entries()]
    found = history_summary.kinds(runs, {card.name: card.total_mib for card in bench.cards})
    if rule is not None:
        found = [kind for kind in found if rule in (kind.rule, kind.kind)]
    if forget:
        gone = sum(history.clear(kind.kind) for kind in found)
        click.echo(f"Forgot {gone} runs.")
    elif as_json:
        _print_json(found)
    elif not found:
        click.echo("No run is remembered" + (f" of {rule}." if rule else "."))
    else:
        _print(found)


def _print_json(found: list[KindSummary]) -> None:
    import json
    from dataclasses import asdict

    click.echo(json.dumps([asdict(kind) for kind in found], indent=2))


def _print(found: list[KindSummary]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from nvinx.formatting import gb

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", overflow="fold")
    for column in ("runs", "alone", "beside", "CPU", "declared", "seen"):
        table.add_column(column, justify="right")
    for kind in found:
        declared = "" if kind.declared_mib is None else gb(kind.declared_mib)
        seen = "" if kind.peak_mib is None else gb(kind.peak_mib)
        times = (_time(each) for each in (kind.alone_s, kind.beside_s, kind.cpu_s))
        table.add_row(kind.rule, str(kind.runs), *times, declared, seen)
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(table)
    for kind in found:
        for line in advice(kind):
            console.print(line, soft_wrap=True)


def _time(seconds: float | None) -> str:
    from nvinx.formatting import duration

    return "" if seconds is None else duration(seconds)


def advice(kind: KindSummary) -> list[str]:
    """What the history of one kind of job asks for, each as a sentence."""
    lines = []
    if kind.suggested_mb is not None:
        declared, seen = gb(kind.declared_mib), gb(kind.peak_mib)
        change = f"declare vram_mb={kind.suggested_mb}"
        lines.append(f"{kind.rule}: {change}, it used {seen} of the {declared} declared.")
    if kind.preallocates:
        lines.append(
            f"{kind.rule}: it took {gb(kind.peak_mib)}, most of the card; its framework may take "
            "that in advance (JAX, TensorFlow), so this is not what it needs."
        )
    if kind.out_of_memory:
        lines.append(f"{kind.rule}: ran out of memory {kind.out_of_memory} times.")
    for partner, cost in kind.slower.items():
        if cost >= _WORTH_A_WORD:
            name = partner.partition("@")[0]
            lines.append(f"{kind.rule}: takes {1 + cost:.2f} times as long beside {name}.")
    return lines


_WORTH_A_WORD = 0.1
