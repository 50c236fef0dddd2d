"""A model split over tiers: the added time per forward, predicted and measured.

    python benchmarks/overflow.py [--size-mb 800] [--rounds 3] [--scratch DIR] [--json]

Needs torch, transformers and accelerate (the extra `hf`). A decoder with random weights is saved
and loaded through `nvinx.placement`'s own arguments: whole, and with a quarter, a half and most of
it on disk. Before each forward the file's pages are dropped, so the disk is really read; with
--warm they stay, as they do where RAM is left. The prediction is `Split.added_s` with the disk's
bandwidth as `nvinx bench --measure` finds it, once before each forward, since a shared disk is not
the same from one second to the next. All on the CPU: nothing crosses a bus.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from nvinx.calibration import bandwidth
from nvinx.catalog import Residency
from nvinx.overflow import from_config
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.overflow.split import Free, Split, plan_overflow
from nvinx.placement import CurrentPlacement

WIDTH, DEEP, WORDS, TOKENS = 1024, 4096, 8000, 16
SHARES = (0.25, 0.5, 0.9)
NO_BUS = 1e15  # on the CPU what comes from the disk is used where it lands


def decoder(folder: Path, size_mb: float) -> Path:
    """A Llama-like model with random weights of about this size, in 32 bits, saved."""
    import torch
    import transformers

    torch.manual_seed(1)
    per_layer = 4 * (4 * WIDTH * WIDTH + 3 * WIDTH * DEEP)
    config = transformers.LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=DEEP,
        num_hidden_layers=max(round(size_mb * 1e6 / per_layer), 2),
        num_attention_heads=8,
        vocab_size=WORDS,
        tie_word_embeddings=False,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def drop(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        bandwidth.drop_pages(file)


def forward_s(model: Any, tokens: Any) -> float:
    """Seconds of one forward."""
    import torch

    with torch.inference_mode():
        begin = time.perf_counter()
        model(tokens)
        return time.perf_counter() - begin


def cold_forward_s(
    model: Any, tokens: Any, folder: Path, rounds: int, *, warm: bool
) -> tuple[float, float]:
    """Medians: seconds of one forward, and bytes per second of the disk just before each."""
    times, speeds = [], []
    for _ in range(rounds):
        speeds.append(bandwidth.disk(folder))
        if not warm:
            drop(folder)
        times.append(forward_s(model, tokens))
    return statistics.median(times), statistics.median(speeds)


def loaded(folder: Path, placement: CurrentPlacement) -> Any:
    import transformers

    kwargs = placement.from_pretrained_kwargs(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, **kwargs).eval()


def ram_for(parts: Any, share: float) -> int:
    """The RAM budget that leaves about this share of the model on disk."""
    total = sum(part.size for part in parts)
    least = plan_overflow(parts, Free(cards=(), ram=total, disk=total), context=0)
    room = round(total * (1 - share)) + max(part.largest for part in parts)
    return max(room, least.ram // 20)


def measured(folder: Path, rounds: int, *, warm: bool) -> list[dict[str, Any]]:
    """One row per share of the model on disk."""
    import torch

    whole = loaded(folder, CurrentPlacement(None, "cpu"))
    tokens = torch.randint(0, WORDS, (1, TOKENS))
    with torch.inference_mode():
        wanted = whole(tokens).logits
    parts, total = from_config.parts(whole), sum(p.numel() for p in whole.parameters()) * 4
    base_s = statistics.median(forward_s(whole, tokens) for _ in range(rounds + 2))
    del whole
    gc.collect()
    rows = []
    for share in SHARES:
        limits: dict[int | str, int] = {"cpu": ram_for(parts, share), "disk": total}
        placement = CurrentPlacement(Residency.GPU_RAM_OVERFLOW, "cpu", None, limits, "benchmark")
        split = plan_overflow(parts, placement.tiers(), context=0)
        model = loaded(folder, placement)
        with torch.inference_mode():
            equal = torch.equal(model(tokens).logits, wanted)
        took_s, disk = cold_forward_s(model, tokens, folder, rounds, warm=warm)
        del model
        gc.collect()  # what is still mapped cannot be dropped
        rows.append(row(split, base_s, took_s, Bandwidth(bus=NO_BUS, disk=disk), equal=equal))
    return rows


def row(
    split: Split, base_s: float, took_s: float, speeds: Bandwidth, *, equal: bool
) -> dict[str, Any]:
    added_s, said_s = took_s - base_s, split.added_s(speeds)
    return {
        **{"ram_mb": round(split.ram / 1e6), "disk_mb": round(split.disk / 1e6)},
        **{"disk_gb_per_s": round(speeds.disk / 1e9, 2)},
        **{"resident_s": round(base_s, 3), "forward_s": round(took_s, 3)},
        **{"added_s": round(added_s, 3), "predicted_s": round(said_s, 3)},
        **{"ratio": round(said_s / added_s, 2), "equal": equal},
    }


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="seconds per forward, predicted and measured")
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for each in rows:
        table.add_row(*(str(value) for value in each.values()))
    Console().print(table)
    print("ratio: predicted over measured added time; equal: the output, bit by bit")


@click.command()
@click.option("--size-mb", default=800.0, help="Of the model, about.")
@click.option("--rounds", default=3, help="Forwards per row; the median counts.")
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--warm", is_flag=True, help="Leave the file in the page cache.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(size_mb: float, rounds: int, scratch: Path | None, warm: bool, as_json: bool) -> None:
    """Added seconds per forward of a split model; fails when an output differs."""
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        rows = measured(decoder(Path(made), size_mb), rounds, warm=warm)
    print(json.dumps({"warm": warm, "rows": rows})) if as_json else show(rows)
    sys.exit(0 if all(each["equal"] for each in rows) else 1)


if __name__ == "__main__":
    main()
