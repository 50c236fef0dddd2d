"""`nvinx fit`: whether a model fits this bench, before anything is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.bench.resolve import Bench
    from nvinx.overflow.fit import Fit
    from nvinx.overflow.model import Checkpoint
    from nvinx.overflow.split import Free

_DOES_NOT_FIT = 1
_BITS_NAMES = {64: "64-bit", 32: "32-bit", 16: "16-bit", 8: "8-bit", 4: "4-bit"}


@click.command(name="fit")
@click.argument("model", type=click.Path(path_type=Path))
@options.bench
@click.option(
    "--mem-mb", type=click.FloatRange(min=0), help="RAM it may use; by default, what is free."
)
@click.option(
    "--disk-mb", type=click.FloatRange(min=0), help="Disk it may use; by default, what is free."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path, file: Path | None, mem_mb: float | None, disk_mb: float | None, as_json: bool
) -> None:
    """Say whether MODEL fits the cards here, and if not, how it would be split.

    MODEL is a folder with safetensors, or a config.json (with transformers installed). Nothing is
    loaded. The exit status is 1 when it does not fit at all.
    """
    from nvinx.bench import machine
    from nvinx.overflow import read_model
    from nvinx.overflow.fit import fit
    from nvinx.sizes import CONTEXT_MIB, MIB

    bench = machine.bench(file, Path.cwd())
    found = read_model.read(model)
    free = _free(bench, mem_mb, disk_mb)
    context = 0 if bench.simulated else CONTEXT_MIB * MIB
    answer = fit(found, free, bench.bandwidth, context=context)
    if as_json:
        import json

        click.echo(json.dumps(_plain(found, free, answer), indent=2))
    else:
        _print(found, bench, free, answer)
    sys.exit(0 if answer.split is not None else _DOES_NOT_FIT)


def _free(bench: Bench, mem_mb: float | None, disk_mb: float | None) -> Free:
    """Bytes free right now: on the cards less what others use and the headroom, in RAM, on disk.

    The program itself needs some of the RAM that nobody set a limit to.
    """
    import shutil
    import tempfile

    from nvinx.gpu.nvml import NvmlProbe
    from nvinx.host import resources
    from nvinx.leases.external_use import with_external_use
    from nvinx.overflow.fit import PROGRAM_MB
    from nvinx.overflow.split import Free
    from nvinx.sizes import MIB

    cards = with_external_use(bench.cards, NvmlProbe().read(), (), {})
    left = max(min(bench.ram_mib, resources.ram_left_mib()) * MIB - PROGRAM_MB * 1e6, 0)
    ram = left if mem_mb is None else mem_mb * 1e6
    disk = shutil.disk_usage(tempfile.gettempdir()).free if disk_mb is None else disk_mb * 1e6
    return Free(cards=[card.budget_mib * MIB for card in cards], ram=int(ram), disk=int(disk))


def _plain(model: Checkpoint, free: Free, answer: Fit) -> dict[str, Any]:
    split = answer.split
    return {
        "model": model.name,
        "bytes": model.size,
        "parameters": model.count,
        "bits": model.bits,
        "largest_layer_bytes": model.largest,
        "from": model.source,
        "free_bytes": {"cards": list(free.cards), "ram": free.ram, "disk": free.disk},
        "fits": split is not None and split.fits,
        "split_bytes": split and {"cards": list(split.cards), "ram": split.ram, "disk": split.disk},
        "missing_bytes": answer.missing,
        "added_s_per_forward": None if split is None else answer.added_s,
        "quantised_bytes_that_fit": dict(answer.quantised),
        "declare": dict(answer.hints),
    }


def _print(model: Checkpoint, bench: Bench, free: Free, answer: Fit) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    console.print(
        f"{model.name}: {_gb(model.size)} of weights, {model.count / 1e6:.1f} million numbers, "
        f"mostly {_BITS_NAMES.get(model.bits, model.bits)}; the largest layer {_gb(model.largest)}"
        f" (from its {model.source})",
        soft_wrap=True,
    )
    table = Table("tier", box=box.SIMPLE)
    table.add_column("free", justify="right")
    table.add_column("weights there", justify="right")
    for row in _tiers(bench, free, answer):
        table.add_row(*row)
    console.print(table)
    for line in _sentences(bench, answer):
        console.print(line, soft_wrap=True)


def _tiers(bench: Bench, free: Free, answer: Fit) -> Iterator[tuple[str, str, str]]:
    split = answer.split
    for n, (card, room) in enumerate(zip(bench.cards, free.cards, strict=True)):
        yield (
            f"GPU {card.index} {card.name}",
            _gb(room),
            "-" if split is None else _gb(split.cards[n]),
        )
    yield "RAM", _gb(free.ram), "-" if split is None else _gb(split.ram)
    yield "disk", _gb(free.disk), "-" if split is None else _gb(split.disk)


def _sentences(bench: Bench, answer: Fit) -> Iterator[str]:
    split = answer.split
    cards = "the cards" if len(bench.cards) > 1 else "the card"
    if split is None:
        yield f"It does not fit here: {_gb(answer.missing)} are missing."
    elif split.fits:
        yield f"It fits {cards}."
    elif not bench.cards:
        yield "There is no card here: it would run on the CPU."
    else:
        longer = _time(answer.added_s)
        yield f"It does not fit {cards}; split like this, each forward takes {longer} longer."
        yield f"({_speeds(bench, disk=bool(split.disk))})"
    for how, size in answer.quantised.items():
        yield f"As {how} it would fit: about {_gb(size)}."
    if answer.hints:
        yield "In its rule: " + ", ".join(f"{name}={value}" for name, value in answer.hints.items())


def _speeds(bench: Bench, *, disk: bool) -> str:
    speeds = [("bus", bench.bandwidth.bus), *([("disk", bench.bandwidth.disk)] if disk else [])]
    said = [f"{t} {s / 1e9:.3g} GB/s, {bench.origins[f'{t}_gb_per_s']}" for t, s in speeds]
    advice = ["measure it with nvinx bench --measure"] if said[0].endswith("default") else []
    return "; ".join(said + advice)


def _gb(size: float) -> str:
    from nvinx.formatting import gb
    from nvinx.sizes import MIB

    return gb(round(size / MIB)) if size else "0"


def _time(seconds: float) -> str:
    from nvinx.formatting import duration

    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration(seconds)
