"""`nvinx status`: the cards, who holds them, and why the others wait."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nvinx.bench import Bench
    from nvinx.ports import Lease, Request


@click.command(name="status")
@click.option("--bench", "file", type=click.Path(path_type=Path), help="The bench file to use.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="The state folder, before $NVINX_STATE_DIR and the user's own.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Show each card of this machine, its leases, and the waiting requests with their reasons."""
    from nvinx.host import machine, statedir

    bench = machine.bench(file, Path.cwd())
    folder = statedir.choose(state_dir, os.environ)
    leases, requests, now = read(folder)
    if as_json:
        import json

        click.echo(json.dumps(_plain(bench, leases, requests, now), indent=2))
    else:
        _print(bench, leases, requests, now)


def read(folder: Path) -> tuple[tuple[Lease, ...], tuple[Request, ...], float]:
    """What the ledger holds of the living; looking changes nothing, nor makes a ledger."""
    from nvinx.host.clock import boot_seconds
    from nvinx.host.ledger import SqliteLedger
    from nvinx.host.life import ProcessLife

    now = boot_seconds()
    if not (folder / "ledger.db").exists():
        return (), (), now
    ledger, life = SqliteLedger(folder / "ledger.db"), ProcessLife(folder / "life")
    try:
        with ledger.turn() as page:
            leases, requests = page.leases(), page.requests()
    finally:
        ledger.close()
    alive = life.alive({x.id for x in leases} | {r.job.engine for r in requests})
    held = tuple(x for x in leases if x.id in alive)
    return held, tuple(r for r in requests if r.job.engine in alive), now


def _plain(
    bench: Bench, leases: tuple[Lease, ...], requests: tuple[Request, ...], now: float
) -> dict[str, Any]:
    from dataclasses import asdict

    from nvinx.rows import plain_job, plain_placement, plain_reason

    return {
        "cards": [asdict(card) for card in bench.cards],
        "leases": [
            {**plain_job(x.job), "placement": plain_placement(x.placement), "held_s": now - x.since}
            for x in leases
        ],
        "requests": [
            {**plain_job(r.job), "waited_s": now - r.since, "reason": plain_reason(r.reason)}
            for r in requests
        ],
    }


def _print(
    bench: Bench, leases: tuple[Lease, ...], requests: tuple[Request, ...], now: float
) -> None:
    from rich.console import Console

    from nvinx import explain

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
    known = {card.id for card in bench.cards}
    for card in bench.cards:
        here = [x for x in leases if card.id in x.placement.cards]
        used = explain.gb(sum(x.placement.vram_mib for x in here))
        kind = " (simulated)" if card.simulated else ""
        console.print(
            f"GPU {card.index} {card.name}{kind}: {used} of {explain.gb(card.total_mib)} leased"
        )
        _print_leases(console, here, now)
    elsewhere = [x for x in leases if not known & {*x.placement.cards}]
    if elsewhere:
        console.print("On cards that are not part of this bench:")
        _print_leases(console, elsewhere, now)
    if not bench.cards:
        console.print(f"No GPU: {bench.problem or 'none is declared'}")
    console.print("Waiting:" if requests else "Nobody waits.")
    for request in requests:
        why = explain.sentence(request.reason) if request.reason else "not looked at yet"
        console.print(f"  {request.job.name}, {explain.duration(now - request.since)}: {why}")


def _print_leases(console: Any, leases: list[Lease], now: float) -> None:
    from nvinx import explain

    for lease in leases:
        placement = lease.placement
        how = placement.residency.value.removeprefix("gpu_").replace("_", " ")
        console.print(
            f"  {lease.job.name}: {explain.gb(placement.vram_mib)} {how}, "
            f"for {explain.duration(now - lease.since)}, engine {lease.job.engine}"
        )
