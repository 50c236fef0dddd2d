"""`nvinx bench`: what is in force, and where each value came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.bench.resolve import Bench


@click.command(name="bench")
@click.option(
    "--bench",
    "file",
    type=click.Path(path_type=Path),
    help="The bench file to use, before $NVINX_BENCH and any nvinx.yaml that is found.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--measure", is_flag=True, help="Measure how fast weights load from RAM and disk.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="With --measure: the folder whose disk is measured; by default TMPDIR.",
)
@click.option("--from-slurm", is_flag=True, help="Write the cluster: part of a bench file.")
@click.option(
    "--ask-nodes", is_flag=True, help="With --from-slurm: ask a node of each kind (srun)."
)
def command(
    *,
    file: Path | None,
    as_json: bool,
    measure: bool,
    scratch: Path | None,
    from_slurm: bool,
    ask_nodes: bool,
) -> None:
    """Show the bench that is in force here, and where each value came from."""
    from nvinx.bench import machine

    if from_slurm:
        click.echo(_cluster(ask_nodes=ask_nodes), nl=False)
        return
    if measure:
        _measure(scratch, as_json=as_json)
        return
    bench = machine.bench(file, Path.cwd())
    if as_json:
        import json

        click.echo(json.dumps(_plain(bench), indent=2))
    else:
        _print(bench)


def _measure(scratch: Path | None, *, as_json: bool) -> None:
    """Bandwidths of this machine, as lines for its bench file."""
    import json
    import tempfile

    from nvinx.calibration import bandwidth
    from nvinx.host import extras

    extras.require(*bandwidth.NEEDS)

    where = scratch or Path(tempfile.gettempdir())
    click.echo(f"nvinx: reading {bandwidth.SIZE / 1e9:.1f} GB from {where} ...", err=True)
    disk = bandwidth.disk(where, bandwidth.SIZE)
    bus, problem = bandwidth.bus()
    found = {"disk_gb_per_s": disk / 1e9} | ({} if bus is None else {"bus_gb_per_s": bus / 1e9})
    if problem is not None:
        click.echo(f"nvinx: the bus was not measured: {problem}", err=True)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo("Write this below `hardware:` in the bench file:")
    for key, speed in found.items():
        click.echo(f"  {key}: {speed:.3g}")


def _cluster(*, ask_nodes: bool) -> str:
    """What Slurm shows of the cluster's cards, and their size where nodes are asked."""
    from nvinx.errors import SlurmError
    from nvinx.slurm import draft as cluster_draft
    from nvinx.slurm import tools as slurm_tools

    kinds = []
    for kind in cluster_draft.kinds(slurm_tools.nodes()):
        said = cluster_draft.Said()
        if ask_nodes:
            click.echo(f"nvinx: asking {kind.name} ...", err=True)
            said = slurm_tools.card_of(kind.name)
        kinds.append((kind, slurm_tools.hostlist(node.name for node in kind.nodes), said))
    if not kinds:
        raise SlurmError("Slurm", "has no node with a card", "there is nothing to write")
    return cluster_draft.render(kinds)


def _plain(bench: Bench) -> dict[str, Any]:
    from msgspec import to_builtins

    return {
        "path": bench.path,
        "simulated": bench.simulated,
        "problem": bench.problem,
        "doubts": list(bench.doubts),
        "cores": bench.cores,
        "ram_mib": bench.ram_mib,
        "cards": to_builtins(bench.cards),
        "models": to_builtins(bench.models),
        "bandwidth": to_builtins(bench.bandwidth),
        "interference": None if bench.slowdowns is None else sorted(bench.slowdowns.traits),
        "origins": dict(bench.origins),
    }


def _print(bench: Bench) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    console.print(f"Bench file: {bench.path or 'none; this machine as detected'}", soft_wrap=True)
    if bench.path is None:
        console.print(f"Looked for: {', '.join(bench.searched)}", soft_wrap=True)
    table = Table("what", "in force", "from", box=box.SIMPLE)
    for row in _rows(bench):
        table.add_row(*row)
    console.print(table)
    if bench.simulated:
        console.print("Simulated cards are for trying things out: jobs find no GPU there.")
    for doubt in bench.doubts:
        console.print(f"{doubt}.", soft_wrap=True)
    if bench.problem is not None:
        console.print(f"{'A GPU is missing' if bench.cards else 'No GPU'}: {bench.problem}.")


def _rows(bench: Bench) -> Iterator[tuple[str, str, str]]:
    from nvinx.sizes import gb_from_mib

    origins = bench.origins
    yield "CPU cores", str(bench.cores), origins["cpu_cores"]
    yield "RAM", f"{gb_from_mib(bench.ram_mib):.1f} GB", origins["ram_gb"]
    if not bench.cards:
        yield "GPUs", "none", origins["gpus"]
    for n, card in enumerate(bench.cards):
        kind = "simulated" if card.simulated else "real"
        vram, headroom = gb_from_mib(card.total_mib), gb_from_mib(card.headroom_mib)
        yield f"GPU {card.index}", f"{card.name} ({kind})", origins["gpus"]
        yield "  VRAM", f"{vram:.1f} GB", origins[f"gpus[{n}].vram_gb"]
        yield "  headroom", f"{headroom:.1f} GB", origins[f"gpus[{n}].headroom_gb"]
    for what, speed in (("bus", bench.bandwidth.bus), ("disk", bench.bandwidth.disk)):
        yield f"{what} speed", f"{speed / 1e9:.3g} GB/s", origins[f"{what}_gb_per_s"]
    if not bench.models:
        yield "models", "none", origins["models"]
    for model in bench.models.values():
        size = f"{model.vram_gb:g} GB, {model.residency.value}"
        yield f"model {model.name}", size, origins["models"]
    if bench.slowdowns is not None:
        known = bench.slowdowns
        pairs = len({frozenset(pair) for pair in known.measured})
        where = f", {known.provenance.card}" if known.provenance.card else ""
        size = f"{len(known.traits)} models, {pairs} measured pairs{where}"
        yield "interference", size, origins["interference"]
