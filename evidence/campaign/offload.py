"""Part offload: what it costs to keep a part of a model off the card, beside the prediction."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign import child
from campaign.steps import Step
from nvinx.calibration import bandwidth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from campaign.steps import Part

SHARES = (0.0, 0.25, 0.5, 0.75)
LOADS = ("cold", "staged", "warm")


def steps(part: Part) -> Iterator[Step]:
    """All measurements of this part."""
    takes_s = 20 if part.small else 60
    yield Step("offload/model", lambda: _model(part), takes_s)
    key = f"offload/bandwidth/{part.records.session}"
    yield Step(key, lambda: _bandwidth(part), takes_s, spare=True)
    for share in SHARES:
        yield Step(f"offload/share/{share}", partial(_share, part, share), takes_s)
    for how in LOADS:
        yield Step(f"offload/load/{how}", partial(_load, part, how), takes_s)


def _model(part: Part) -> dict[str, Any]:
    """Make the decoder, or find the one that is there."""
    return child.run("decoder.py", str(_folder(part)), _size(part), environ=_environ(part)).answer()


def _bandwidth(part: Part) -> dict[str, Any]:
    """Bytes per second from the disk, and to the card where there is one, in this session."""
    size = (64 if part.small else 512) << 20
    found: dict[str, Any] = {"disk": bandwidth.disk(part.scratch, size)}
    if part.card is not None:
        found["bus"] = child.run("bus.py", environ=_environ(part)).answer()["bytes_per_s"]
    return found


def _share(part: Part, share: float) -> dict[str, Any]:
    """Seconds of a prefill and of each token with about this share of the model off the card.

    Without a card it is the disk that takes what RAM may not hold.
    """
    _made(part)
    words = ("split_run.py", str(_folder(part)), str(share), "2" if part.small else "7")
    return child.run(*words, environ=_environ(part)).answer()


def _load(part: Part, how: str) -> dict[str, Any]:
    """Seconds to load the model whole: cold, after nvinx's reader, and from the page cache."""
    _made(part)
    words = ("load.py", str(_folder(part)), how)
    return child.run(*words, environ=_environ(part)).answer()


def _made(part: Part) -> None:
    """A new machine has no model yet."""
    if not (_folder(part) / "config.json").exists():
        _model(part)


def _folder(part: Part) -> Path:
    return part.scratch / f"decoder-{_size(part)}"


def _size(part: Part) -> str:
    return "toy" if part.small else "1b"


def _environ(part: Part) -> dict[str, str]:
    device = "" if part.card is None else part.card.id
    return {**os.environ, "CUDA_VISIBLE_DEVICES": device, "TMPDIR": str(part.scratch)}
