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

    from campaign.steps import Job

SHARES = (0.0, 0.25, 0.5, 0.75)
LOADS = ("cold", "staged", "warm")


def steps(job: Job) -> Iterator[Step]:
    """All measurements of this part."""
    takes_s = 20 if job.small else 60
    yield Step("offload/model", lambda: _model(job), takes_s)
    key = f"offload/bandwidth/{job.records.session}"
    yield Step(key, lambda: _bandwidth(job), takes_s, spare=True)
    for share in SHARES:
        yield Step(f"offload/share/{share}", partial(_share, job, share), takes_s)
    for how in LOADS:
        yield Step(f"offload/load/{how}", partial(_load, job, how), takes_s)


def _model(job: Job) -> dict[str, Any]:
    """Make the decoder, or find the one that is there."""
    return child.run("decoder.py", str(_folder(job)), _size(job), environ=_environ(job)).answer()


def _bandwidth(job: Job) -> dict[str, Any]:
    """Bytes per second from the disk, and to the card where there is one, in this session."""
    size = (64 if job.small else 512) << 20
    found: dict[str, Any] = {"disk": bandwidth.disk(job.scratch, size)}
    if job.card is not None:
        found["bus"] = child.run("bus.py", environ=_environ(job)).answer()["bytes_per_s"]
    return found


def _share(job: Job, share: float) -> dict[str, Any]:
    """Seconds of a prefill and of each token with about this share of the model off the card.

    Without a card it is the disk that takes what RAM may not hold.
    """
    _made(job)
    words = ("split_run.py", str(_folder(job)), str(share), "2" if job.small else "7")
    return child.run(*words, environ=_environ(job)).answer()


def _load(job: Job, how: str) -> dict[str, Any]:
    """Seconds to load the model whole: cold, after nvinx's reader, and from the page cache."""
    _made(job)
    words = ("load.py", str(_folder(job)), how)
    return child.run(*words, environ=_environ(job)).answer()


def _made(job: Job) -> None:
    """A new machine has no model yet."""
    if not (_folder(job) / "config.json").exists():
        _model(job)


def _folder(job: Job) -> Path:
    return job.scratch / f"decoder-{_size(job)}"


def _size(job: Job) -> str:
    return "toy" if job.small else "1b"


def _environ(job: Job) -> dict[str, str]:
    device = "" if job.card is None else job.card.id
    return {**os.environ, "CUDA_VISIBLE_DEVICES": device, "TMPDIR": str(job.scratch)}
