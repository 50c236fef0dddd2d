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


@click.command(name="history")
@click.argument("rule", required=False)
@click.option("--forget", is_flag=True, help="Forget RULE's runs, or all.")
@click.option(
    "--model",
    "as_model",
    is_flag=True,
    help="Slowdowns of jobs that share a card, with uncertainty and source.",
)
@click.option(
    "--picture", type=click.Path(path_type=Path), help="With --model: draw it to this PNG."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.bench
@options.state_dir
def command(  # noqa: PLR0913  (one argument per option)
    *,
    rule: str | None,
    forget: bool,
    as_model: bool,
    picture: Path | None,
    as_json: bool,
    file: Path | None,
    state_dir: Path | None,
) -> None:
    """Show each kind of job that ran here (or RULE): run times, declared and measured VRAM.

    A kind is a rule with its command, or the name given to `nvinx run`. Times are medians of the
    last runs: alone on a card, sharing a card, and on the CPU. One with ~ is worked out.
    """
    from nvinx.bench import machine
    from nvinx.cli import history_model
    from nvinx.history import summary as history_summary
    from nvinx.history.store import SqliteHistory
    from nvinx.host import statedir

    if picture is not None and not as_model:
        raise click.UsageError("--picture draws what --model shows; give both")
    bench = machine.bench(file, Path.cwd())
    if as_model:
        history_model.show(bench, statedir.choose(state_dir, os.environ), rule, picture, as_json)
        return
    history = SqliteHistory(statedir.choose(state_dir, os.environ) / "history.db")
    runs = [entry.run for entry in history.entries()]
    found = history_summary.summaries(runs, {card.name: card.total_mib for card in bench.cards})
    if rule is not None:
        found = [summary for summary in found if rule in (summary.rule, summary.kind)]
    if forget:
        gone = sum(history.clear(summary.kind) for summary in found)
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

    click.echo(json.dumps([asdict(summary) for summary in found], indent=2))


def _print(found: list[KindSummary]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", overflow="fold")
    for column in ("runs", "alone", "beside", "CPU", "declared", "seen"):
        table.add_column(column, justify="right")
    for summary in found:
        declared = "" if summary.declared_mib is None else gb(summary.declared_mib)
        seen = "" if summary.peak_mib is None else gb(summary.peak_mib)
        times = (_alone(summary), _time(summary.beside_s), _time(summary.cpu_s))
        table.add_row(summary.rule, str(summary.runs), *times, declared, seen)
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(table)
    if any(summary.worked_out_s is not None for summary in found):
        console.print("~ worked out from runs beside others, as none ran alone.")
    for summary in found:
        for line in advice(summary):
            console.print(line, soft_wrap=True)


def _alone(summary: KindSummary) -> str:
    worked_out = _time(summary.worked_out_s)
    return f"~{worked_out}" if worked_out else _time(summary.alone_s)


def _time(seconds: float | None) -> str:
    from nvinx.formatting import duration

    return "" if seconds is None else duration(seconds)


def advice(summary: KindSummary) -> list[str]:
    """What the history of one kind of job asks for, each as a sentence."""
    lines = []
    if summary.suggested_mb is not None:
        declared, seen = gb(summary.declared_mib), gb(summary.peak_mib)
        change = f"declare vram_mb={summary.suggested_mb}"
        lines.append(f"{summary.rule}: {change}, it used {seen} of the {declared} declared.")
    if summary.smaller_half_mib is not None:
        held, more = gb(summary.smaller_half_mib), summary.more_would_fit
        lines.append(
            f"{summary.rule}: declared {gb(summary.declared_mib)}; with vram_mb='auto' at most "
            f"{held} would be held for the smaller half of its inputs: {more} more would fit in "
            "its place."
        )
    if summary.preallocates:
        lines.append(
            f"{summary.rule}: it used {gb(summary.peak_mib)}, most of the card; its framework "
            "may preallocate that (JAX, TensorFlow), so it may need less."
        )
    if summary.out_of_memory:
        lines.append(f"{summary.rule}: ran out of memory {summary.out_of_memory} times.")
    for partner, cost in summary.slower.items():
        if cost >= _WORTH_A_WORD:
            name = partner.partition("@")[0]
            lines.append(f"{summary.rule}: takes {1 + cost:.2f} times as long beside {name}.")
    return lines


_WORTH_A_WORD = 0.1
