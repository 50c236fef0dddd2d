"""Does a model fit this bench, split how, at what cost, and what to write in its rule. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.errors import DoesNotFitError
from nvinx.overflow.split import plan_overflow
from nvinx.sizes import rounded_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.overflow.bandwidth import Bandwidth
    from nvinx.overflow.model import Checkpoint
    from nvinx.overflow.split import Free, Split

_WORK = 1.2  # times the weights, with activations: HuggingFace's rule for inference
PROGRAM_MB = 1000  # RAM of Python and torch themselves
_STEP_MB = 50  # what it measures is that coarse


@dataclass(frozen=True, slots=True)
class Fit:
    """What becomes of a model here. Sizes in bytes.

    split: None where it does not fit, however it is split, and then `missing` says by how much.
    added_s: seconds longer per forward than on a card that held it. quantised: the size by way of
    quantising, for those that would fit the cards. hints: what to declare in a rule.
    """

    split: Split | None
    missing: int
    added_s: float
    quantised: Mapping[str, int]
    hints: Mapping[str, int]


def fit(model: Checkpoint, free: Free, bandwidth: Bandwidth, *, context: int) -> Fit:
    """How the model fits what is free. context: bytes of each card that no weights may take."""
    room = sum(max(card - context, 0) for card in free.cards)
    smaller = {how: model.quantised(how) for how in ("int8", "int4")}
    fitting = {how: size for how, size in smaller.items() if size <= room < model.size}
    try:
        split = plan_overflow(model.parts, free, context=context)
    except DoesNotFitError as error:
        return Fit(None, error.missing, math.inf, fitting, {})
    return Fit(split, 0, split.added_s(bandwidth), fitting, _hints(model, split, room, context))


def _hints(model: Checkpoint, split: Split, room: int, context: int) -> dict[str, int]:
    """Sizes in MB, rounded up: the weights with room to work in, and what spills of them."""
    vram_mb = rounded_up(model.size * _WORK / 1e6 + context / 1e6, _STEP_MB)
    if split.fits:
        return {"vram_mb": vram_mb}
    if not split.cards:
        return {"mem_mb": rounded_up(model.size * _WORK / 1e6 + PROGRAM_MB, _STEP_MB)}
    spills_mb = max(vram_mb - room / 1e6, (split.ram + model.largest) / 1e6)
    hints = {"vram_mb": vram_mb, "ram_overflow": 1}
    if not split.disk:
        return hints | {"mem_mb": rounded_up(spills_mb + PROGRAM_MB, _STEP_MB)}
    # With more RAM than was planned with, the weights on disk would lie there instead.
    mem_mb = max(math.floor(split.ram_budget / 1e6), 1)
    return hints | {
        "mem_mb": mem_mb,
        "disk_mb": rounded_up(max(spills_mb - mem_mb, split.disk * _WORK / 1e6), _STEP_MB),
    }
