"""This machine: its cores and RAM, and the bench that is in force on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.bench import file as bench_file
from nvinx.bench import visible
from nvinx.bench.resolve import Bench, resolve
from nvinx.gpu.ports import GpuInventory
from nvinx.host.resources import detect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nvinx.bench.capacity import Card
    from nvinx.gpu.ports import Distance

_FEWEST_TO_CHOOSE = 3  # of two cards a job has one or both


def cores(
    explicit: Path | None = None, workflow_dir: Path | None = None, here: Path | None = None
) -> int:
    """The cores of the bench in force, without a look at its cards. Raises BenchError."""
    path = bench_file.find(explicit, workflow_dir, os.environ, here)
    stated = None if path is None else bench_file.load(path).cpu_cores
    return detect().cores if stated is None else stated


def bench(
    explicit: Path | None = None,
    workflow_dir: Path | None = None,
    headroom_mb: int | None = None,
) -> Bench:
    """The bench in force here, with the cards that CUDA_VISIBLE_DEVICES leaves.

    Raises BenchError when its file or a headroom cannot be used, ModelFileError when the slowdown
    model that it names cannot.
    """
    path = bench_file.find(explicit, workflow_dir, os.environ)
    file = None if path is None else bench_file.load(path)
    slowdowns = None if file is None else bench_file.slowdowns(file)
    inventory = _look() if file is None or file.has_real_cards else GpuInventory()
    found = resolve(file, detect(), inventory, headroom_mb=headroom_mb, slowdowns=slowdowns)
    found = replace(found, searched=tuple(map(str, bench_file.places(workflow_dir))))
    found = replace(found, cards=_with_distances(found.cards))
    return visible.restrict(found, os.environ)


def _with_distances(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """The driver is asked only where there is a choice of several real cards."""
    real = [card.id for card in cards if not card.simulated]
    if len(real) < _FEWEST_TO_CHOOSE:
        return cards
    from nvinx.gpu.topology import NvmlTopology

    return placed_apart(cards, NvmlTopology().read(real))


def placed_apart(cards: tuple[Card, ...], distances: Iterable[Distance]) -> tuple[Card, ...]:
    """The cards, each with how far the others are."""
    far: dict[str, list[tuple[str, int]]] = {card.id: [] for card in cards}
    for one, other, distance in distances:
        far[one].append((other, distance))
        far[other].append((one, distance))
    return tuple(replace(card, distances=tuple(far[card.id])) for card in cards)


def _look() -> GpuInventory:
    from nvinx.gpu.nvml import NvmlProbe

    return NvmlProbe().read()
