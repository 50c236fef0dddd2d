"""`nvinx status`: the cards, who holds them, and why the others wait."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.leases.ports import Lease
    from nvinx.leases.snapshot import Snapshot
    from nvinx.leases.strangers import Stranger

_UNREADABLE = "cannot be read, so it holds the card while any of its processes lives"


@click.command(name="status")
@options.bench
@options.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Show each card of this machine, its leases, and the waiting requests with their reasons."""
    from nvinx.bench import machine
    from nvinx.host import statedir
    from nvinx.leases import snapshot

    seen = snapshot.take(machine.bench(file, Path.cwd()), statedir.choose(state_dir, os.environ))
    if as_json:
        import json

        click.echo(json.dumps(_plain(seen), indent=2))
    else:
        _print(seen)


def _plain(seen: Snapshot) -> dict[str, Any]:
    from msgspec import to_builtins

    return {
        "cards": to_builtins(seen.cards),
        "leases": [
            {
                **to_builtins(x.job),
                "placement": to_builtins(x.placement),
                "problem": x.problem,
                "unproved": x.id in seen.unproved,
                "left_suspended": x.id in seen.left_suspended,
                "left_behind": to_builtins(seen.left_behind.get(x.id, ())),
                "held_s": seen.now - x.since,
            }
            for x in seen.leases
        ],
        "requests": [
            {**to_builtins(r.job), "waited_s": seen.now - r.since, "reason": to_builtins(r.reason)}
            for r in seen.requests
        ],
        "waiting": seen.waiting,
        "strangers": to_builtins(seen.strangers),
    }


def _print(seen: Snapshot) -> None:
    from rich.console import Console

    from nvinx.admission import explain
    from nvinx.formatting import duration, gb

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
    for card in seen.cards:
        used = gb(seen.leased_mib(card))
        kind = " (simulated)" if card.simulated else ""
        theirs = f", {gb(card.foreign_mib)} used by others" if card.foreign_mib else ""
        size = gb(card.total_mib)
        console.print(f"GPU {card.index} {card.name}{kind}: {used} of {size} leased{theirs}")
        _print_leases(console, seen, seen.on_card(card), card.id)
        for stranger in seen.strangers.get(card.id, ()):
            console.print(_of_stranger(stranger))
    _print_off_cards(console, seen)
    if not seen.cards:
        console.print(f"No GPU: {seen.bench.problem or 'none is declared'}")
    if seen.unreadable:
        console.print(f"{seen.unreadable} waiting requests cannot be read and are left out.")
    console.print("Waiting:" if seen.requests else "Nobody waits.")
    for request in seen.requests:
        why = explain.waiting(request.reason)
        waited, engine = duration(seen.now - request.since), request.job.engine
        console.print(f"  {request.job.name}, {waited}, engine {engine}: {why}")
    if seen.waiting > len(seen.requests):
        console.print(f"  and {seen.waiting - len(seen.requests)} more behind them")


def _print_off_cards(console: Any, seen: Snapshot) -> None:
    """What is on no card of this bench: suspended, or elsewhere."""
    suspended = [x for x in seen.leases if x.placement.is_off_card]
    if suspended:
        console.print("Suspended, and off their cards:")
    for lease in suspended:
        console.print(_of_suspended(lease, seen.now))
        _print_left_suspended(console, seen, lease)
    known = {card.id for card in seen.cards}
    elsewhere = [x for x in seen.leases if not any(map(x.holds, known)) and x not in suspended]
    if elsewhere:
        console.print("On cards that are not part of this bench:")
        _print_leases(console, seen, elsewhere)


def _of_suspended(lease: Lease, now: float) -> str:
    """Times are in boot seconds."""
    from nvinx.formatting import duration, gb, plain

    suspension, before = lease.placement.suspension, lease.job.preempted
    ram = "" if suspension is None else f"up to {gb(suspension.ram_mib)} in RAM"
    since = "" if before is None else f", for {duration(now - before.at)}"
    whom = "" if suspension is None else f", for {plain(suspension.to)}"
    return f"  {lease.job.name}: {ram}{since}, engine {plain(lease.job.engine)}{whom}"


def _print_left_suspended(console: Any, seen: Snapshot, lease: Lease) -> None:
    if lease.id in seen.left_suspended:
        console.print(
            f"    its engine has ended; nvinx resume {lease.id} lets it go on, "
            f"nvinx release {lease.id} ends it"
        )


def _of_stranger(stranger: Stranger) -> str:
    from nvinx.formatting import gb

    used = "" if stranger.used_mib is None else f", {gb(stranger.used_mib)}"
    said = f"  process {stranger.pid} ({stranger.command}){used}: holds no lease"
    if not stranger.task:
        return said
    return (
        f"{said}, of Nextflow's task {stranger.task} in {stranger.folder}; `nvinx nextflow "
        "check` says why"
    )


def _print_leases(
    console: Any, seen: Snapshot, leases: Sequence[Lease], card_id: str | None = None
) -> None:
    from nvinx.admission import explain
    from nvinx.formatting import duration, gb, plain

    for lease in leases:
        placement = lease.placement
        there = card_id or placement.card or ""
        how = placement.residency.value.removeprefix("gpu_").replace("_", " ")
        if lease.problem is not None:
            console.print(f"  {plain(lease.id)}: {_UNREADABLE} ({plain(lease.problem)})")
            continue
        part = "" if placement.share is None else f" ({placement.share.text})"
        console.print(
            f"  {lease.job.name}: {gb(placement.mib_on(there))}{part} {how}, "
            f"for {duration(seen.now - lease.since)}, engine {plain(lease.job.engine)}"
            f"{''.join(f', {note}' for note in explain.notes(lease.job, placement, seen.now))}"
        )
        if lease.id in seen.unproved:
            console.print(
                "    this container cannot see whether it is alive; if it has ended, nvinx "
                f"release --disown {lease.id}"
            )
        _print_left_suspended(console, seen, lease)
        for holder in seen.left_behind.get(lease.id, ()):
            console.print(
                f"    kept by process {holder.pid} ({holder.command}), which its job left "
                f"behind; nvinx release {lease.id} ends it"
            )
