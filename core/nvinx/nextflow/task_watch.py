"""Stays beside a task that has its lease until it ends: how busy its cards are, how it ends."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from nvinx.jobs.outcome import Outcome
from nvinx.nextflow.figures import Use
from nvinx.nextflow.task import OOM_STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nvinx.bench.capacity import Card
    from nvinx.gpu.meter import NvmlMeter

END = ".nvinx.end"  # the wrapper writes the task's exit status there
_STEP_S = 0.1
_LOOK_S = 1.0
_LET_GO_S = 1.0


def until_the_end(
    folder: Path, lives: Callable[[], bool], cards: Sequence[Card]
) -> tuple[Outcome, Use]:
    """Wait for the end of the task in this folder. lives: whether anything of it does."""
    use = Use()
    looked_at = 0.0
    with ExitStack() as stack:
        meters = [stack.enter_context(_meter(card)) for card in cards if not card.simulated]
        while not (folder / END).exists():
            if time.monotonic() - looked_at > _LOOK_S:
                if not lives():
                    break
                use.looks += [x for m in meters if (x := m.read().utilisation) is not None]
                looked_at = time.monotonic()
            time.sleep(_STEP_S)
    _await_release(lives)
    return _outcome(folder / END), use


def _meter(card: Card) -> NvmlMeter:
    from nvinx.gpu.meter import NvmlMeter

    return NvmlMeter(card.id)


def _await_release(lives: Callable[[], bool]) -> None:
    """The wrapper lets go at once; what else the task left behind keeps the lease."""
    deadline = time.monotonic() + _LET_GO_S
    while lives() and time.monotonic() < deadline:
        time.sleep(_STEP_S / 5)


def _outcome(file: Path) -> Outcome:
    """Failed where it was killed before it could say how it ended."""
    try:
        status = int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Outcome.FAILED
    if status == OOM_STATUS:
        return Outcome.OUT_OF_MEMORY
    return Outcome.OK if status == 0 else Outcome.FAILED
