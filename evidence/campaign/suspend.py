"""Part suspend: GPU memory of a job to RAM and back, by the driver, as nvinx suspends jobs."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign import child, nvml
from campaign.steps import MeasurementError, MissingError, Step
from nvinx.errors import SuspendError
from nvinx.gpu.checkpoint import DriverCheckpoint
from nvinx.gpu.nvml import NvmlProbe
from nvinx.leases.markers import MARKER
from nvinx.leases.suspender import Suspender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from campaign.steps import Part

SIZES_MIB = (256, 1024, 4096, 16384)
SMALL_MIB = (64, 256)
_ROOM = 0.8  # of the card, at most


def steps(part: Part) -> Iterator[Step]:
    """All measurements of this part."""
    yield Step("suspend/able", lambda: _able(part), 5)
    for mib in SMALL_MIB if part.small else SIZES_MIB:
        yield Step(f"suspend/size/{mib}", partial(_moved, part, mib), 60)


def _able(part: Part) -> dict[str, Any]:
    """Whether nvinx takes this machine for one that can, and why not."""
    part.demand_card()
    problem = DriverCheckpoint().problem()
    return {"why_not": None if problem is None else problem.problem}


def _moved(part: Part, mib: int) -> dict[str, Any]:
    """Seconds each way, what the card has in use before, meanwhile and after, and whether the
    program finds what it had left there.
    """
    card, checkpoint = part.demand_card(), DriverCheckpoint()
    if (problem := checkpoint.problem()) is not None:
        raise MissingError(problem.problem)
    if mib > card.total_mib * _ROOM:
        raise MissingError(f"a card of more than {mib} MiB")
    token = f"{part.records.session}-suspend-{mib}"
    environ = part.on_card(**{MARKER: token})
    with child.held("holds.py", str(mib), environ=environ) as (_pid, _said, finish):
        try:
            found = _there_and_back(Suspender(checkpoint, NvmlProbe()), token, card.id)
        except SuspendError as error:
            raise MeasurementError(str(error)) from error
        return {"mib": mib, **found, **finish().answer()}


def _there_and_back(suspender: Suspender, token: str, card_id: str) -> dict[str, Any]:
    used = [_used_mib(card_id)]
    began = time.monotonic()
    seen_mib = suspender.suspend(token)
    suspend_s = time.monotonic() - began
    used.append(_used_mib(card_id))
    began = time.monotonic()
    suspender.bring_back(token)
    resume_s = time.monotonic() - began
    used.append(_used_mib(card_id))
    return {"suspend_s": suspend_s, "resume_s": resume_s, "seen_mib": seen_mib, "used_mib": used}


def _used_mib(card_id: str) -> int:
    return nvml.memory_now(card_id)[1] >> 20
