"""Part facts: what a context takes, how fast the bus is, what NVML tells, how cards are shared."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign import child, mps, nvml
from campaign.steps import Step
from nvinx.gpu import sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from campaign.steps import Part

CONTEXTS = ("bare", "torch", "cublas", "jax", "cupy")
HELD_MIB = 512
SLICE_SMS = 16
_SETTLE_S = 0.5


def steps(part: Part) -> Iterator[Step]:
    """All measurements of this part."""
    yield Step("facts/idle", lambda: _idle(part), 5)
    for kind in CONTEXTS:
        yield Step(f"facts/context/{kind}", partial(_context, part, kind), 40)
    yield Step("facts/holding", lambda: _holding(part), 40)
    yield Step("facts/copies", lambda: _copies(part), 60)
    yield Step("facts/bus", lambda: _bus(part), 30)
    yield Step("facts/green-contexts", lambda: _green(part), 40)
    yield Step("facts/mps", lambda: _mps(part), 40)


def _idle(part: Part) -> dict[str, Any]:
    """What NVML says of the card when nobody uses it."""
    return nvml.answers(part.demand_card().id)


def _context(part: Part, kind: str, mib: int = 0) -> dict[str, Any]:
    """MiB of the card that a program of this kind takes: by its process, and by the whole card."""
    card = part.demand_card()
    _usable, before = nvml.memory_now(card.id)
    with child.held("context.py", kind, str(mib), environ=part.on_card()) as (pid, said, finish):
        time.sleep(_SETTLE_S)
        during = nvml.answers(card.id)
        _usable, after = nvml.memory_now(card.id)
        used = nvml.memory_of(pid, during["raw"]["processes"])
        finish()
    return {
        **said,
        "process_mib": _mib(used),
        "card_mib": _mib(after - before),
        "accounted": nvml.accounting(card.id, pid),
        "during": during,
    }


def _holding(part: Part) -> dict[str, Any]:
    """The same with a known amount allocated, which the driver must show besides the context."""
    return _context(part, "bare", HELD_MIB)


def _copies(part: Part) -> dict[str, Any]:
    sizes, rounds = ("1,4", "2") if part.small else ("1,16,256,1024", "7")
    return child.run("copies.py", sizes, rounds, environ=part.on_card()).answer()


def _bus(part: Part) -> dict[str, Any]:
    """The figure that `nvinx bench --measure` gives here."""
    return child.run("bus.py", environ=part.on_card()).answer()


def _green(part: Part) -> dict[str, Any]:
    return child.run("slice_check.py", str(SLICE_SMS), environ=part.on_card()).answer()


def _mps(part: Part) -> dict[str, Any]:
    """Whether a client comes under MPS, by the daemon's list, and what nvinx then thinks."""
    card = part.demand_card()
    with mps.daemon() as exports:
        environ = part.on_card(**exports)
        with child.held("context.py", "bare", environ=environ) as (pid, _said, _finish):
            listed = mps.clients(environ)
            thought = sharing.sharing_mode(card.id, environ)
            used = nvml.memory_of(pid, nvml.answers(card.id)["raw"]["processes"])
    return {
        "clients": len(listed),
        "is_client": str(pid) in listed,
        "nvinx_thinks": thought,
        "process_mib": _mib(used),
    }


def _mib(used: float | None) -> float | None:
    return None if used is None else round(used / 2**20, 1)
