"""`nvinx top`: the cards, who holds them and who waits, as it changes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from nvinx.bench.capacity import Card
    from nvinx.cli.top_keys import View
    from nvinx.leases.ports import Lease
    from nvinx.leases.snapshot import Snapshot

_BAR = 20  # columns
_PRIMED_S = 0.1  # psutil's first answer means nothing
_MOST_WAITING = 10


@click.command(name="top")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Seconds between updates.",
)
@click.option("--once", is_flag=True, help="Print once and exit.")
@options.bench
@options.state_dir
def command(every: float, once: bool, file: Path | None, state_dir: Path | None) -> None:
    """Show cards, leases of all programs, the queue with its reasons, CPU and RAM.

    Keys: q quits, the arrows move through the queue, s sorts it, ? shows the keys.
    """
    import psutil
    from rich.console import Console

    from nvinx.bench import machine
    from nvinx.host import statedir
    from nvinx.leases import snapshot

    bench, folder = machine.bench(file, Path.cwd()), statedir.choose(state_dir, os.environ)
    console = Console(highlight=False, emoji=False)
    psutil.cpu_percent()
    time.sleep(_PRIMED_S)
    if once:
        console.print(screen(snapshot.take(bench, folder), _load()))
        return
    with suppress(KeyboardInterrupt):
        _watch(console, every, lambda: snapshot.take(bench, folder))


def _watch(console: Console, every_s: float, look: Callable[[], Snapshot]) -> None:
    """Show what there is every few seconds, and at once after a key, until q or Ctrl-C."""
    from rich.live import Live

    from nvinx.cli.top_keys import QUIT, Keys, View

    view = View()
    with Live(console=console, screen=True, auto_refresh=False) as live, Keys() as keys:
        while True:
            seen = look()
            live.update(screen(seen, _load(), view), refresh=True)
            key = keys.next(every_s)
            if key == QUIT:
                return
            view = view if key is None else view.after(key, len(seen.requests))


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine does besides: time of day, CPU and RAM in use (0 to 1), RAM left in GB."""

    at: str
    cpu: float
    ram: float
    ram_left_gb: float


def screen(seen: Snapshot, load: Load, view: View | None = None) -> RenderableType:
    """All of it, for a terminal of 80 columns or more. view: None where nobody can press a key."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [_machine(load)]
    for card in seen.cards:
        parts += [Text(), _card(seen, card)]
        there = seen.on_card(card)
        if there:
            parts.append(_leases(there, seen.now))
    suspended = [lease for lease in seen.leases if lease.placement.is_off_card]
    if suspended:
        parts += [Text(), Text("Suspended, and off their cards"), _leases(suspended, seen.now)]
    if not seen.cards:
        parts += [Text(), Text(f"No GPU: {seen.bench.problem or 'none is declared'}")]
    parts += [Text(), _queue(seen, view)]
    if view is not None:
        parts += [Text(), _keys(view)]
    return Group(*parts)


def _load() -> Load:
    import psutil

    memory = psutil.virtual_memory()
    cpu, ram = psutil.cpu_percent() / 100, memory.percent / 100
    return Load(time.strftime("%H:%M:%S"), cpu, ram, memory.available / 1e9)


def _machine(load: Load) -> Text:
    from rich.text import Text

    text = Text(f"{load.at}  CPU ")
    text.append_text(_bar(load.cpu))
    text.append("  RAM ")
    text.append_text(_bar(load.ram))
    return text.append(f" {load.ram_left_gb:.1f} GB left")


def _card(seen: Snapshot, card: Card) -> Text:
    from rich.text import Text

    from nvinx.formatting import gb

    whole = card.total_mib + card.undeclared_mib or 1
    kind = " (simulated)" if card.simulated else ""
    text = Text(f"GPU {card.index}  {card.name}{kind}\n  ")
    text.stylize("bold", 0, len(f"GPU {card.index}"))
    leased = seen.leased_mib(card)
    text.append_text(_bar(leased / whole, card.foreign_mib / whole, "blue"))
    text.append(f"  {gb(leased)} of {gb(card.total_mib)} leased")
    if card.foreign_mib:
        text.append(f", {gb(card.foreign_mib)} used by others", style="yellow")
    return text


def _bar(ours: float, others: float = 0.0, style: str = "green") -> Text:
    """Shares of a whole, ours first; others' have a letter of their own where colours are none."""
    from rich.text import Text

    text, left = Text("▕"), _BAR
    for share, letter, colour in ((ours, "█", style), (others, "▒", "yellow")):
        cells = min(round(max(share, 0.0) * _BAR), left)
        text.append(letter * cells, style=colour)
        left -= cells
    text.append("·" * left, style="dim")
    return text.append("▏")


def _leases(leases: Sequence[Lease], now: float) -> RenderableType:
    """A row for each; below them what is to know of some of them besides."""
    from rich.console import Group
    from rich.text import Text

    from nvinx.admission import explain
    from nvinx.formatting import duration

    table = _table()
    notes: list[Text] = []
    for lease in leases:
        placement = lease.placement
        how = placement.residency.value.removeprefix("gpu_").replace("_", " ")
        name, engine = Text(f"  {lease.job.name}"), f"engine {lease.job.engine}"
        table.add_row(name, how, duration(now - lease.since), engine)
        told = ", ".join(explain.notes(lease.job, placement, now))
        notes += [Text(f"  {lease.job.name}: {told}", style="yellow")] if told else []
    return Group(table, *notes)


def _keys(view: View) -> RenderableType:
    """The keys in a line, or each with what it does."""
    from rich.table import Table
    from rich.text import Text

    from nvinx.cli.top_keys import HELP

    if not view.shows_keys:
        return Text(f"q quit   s sort ({view.sort})   ? keys", style="dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    for key, does in HELP:
        table.add_row(Text(key, style="bold"), does)
    return table


def _queue(seen: Snapshot, view: View | None) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from nvinx.admission import explain
    from nvinx.formatting import duration

    if not seen.requests:
        return Text("Nobody waits.", style="dim")
    table = _table()
    shown = (seen.requests if view is None else view.of(seen.requests))[:_MOST_WAITING]
    above = len(seen.requests) - len(view.of(seen.requests)) if view is not None else 0
    for request in shown:
        why = explain.waiting(request.reason)
        waited = duration(seen.now - request.since)
        table.add_row(Text(f"  {request.job.name}"), waited, Text(why))
    more = seen.waiting - len(shown) - above
    rest = [Text(f"  and {more} more", style="dim")] if more > 0 else []
    return Group(Text(f"{seen.waiting} waiting", style="bold"), table, *rest)


def _table() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
    return table
