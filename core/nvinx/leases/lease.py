"""`nvinx.lease`: a Python program asks for its share of the card."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.bench import machine
from nvinx.errors import HintError, ImpossibleJobError
from nvinx.formatting import plain
from nvinx.jobs import hints
from nvinx.jobs.preemption import URGENT_MARGIN, URGENT_PRIORITY
from nvinx.leases import outer
from nvinx.leases.client import LeaseClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim
    from nvinx.placement import CurrentPlacement
    from nvinx.reasons import Reason

CORELESS = 0  # cores are each engine's own business, and one program alone counts none


@contextmanager
def lease(  # noqa: PLR0913  (all by name)
    *,
    name: str | None = None,
    bench: str | Path | None = None,
    state_dir: str | Path | None = None,
    on_wait: Callable[[Reason | None], None] | None = None,
    mem_mb: float | None = None,
    disk_mb: float | None = None,
    runtime: float | None = None,
    priority: int = 0,
    urgent: bool = False,
    **asked: object,
) -> Iterator[CurrentPlacement]:
    """Wait for room on a card, and keep it while the block runs; the value says where.

    asked: the hints of a rule, such as `vram_mb=900`, `gpu_share="1/3"`, `gpu=1`,
    `residency="gpu_shared"`, `model="esm2"`, `cpu_fallback=1`, `max_slowdown=1.5`. mem_mb, disk_mb:
    RAM and disk in MB, for a job that may spill. runtime: expected minutes. urgent: take the card
    of running jobs of lower priority that agreed to give it back; without a priority, of all.
    bench: a bench file; found as everywhere by default. on_wait: called a few times a second with
    the reason for the wait.

    CUDA_VISIBLE_DEVICES and the other variables of a job are set in this process for as long as
    the block runs, so ask before anything starts CUDA. In a process that nvinx placed already, that
    placement is the answer, if what is asked fits in. Raises HintError, ImpossibleJobError,
    BenchError, StateDirError.
    """
    from nvinx import placement

    around = outer.find(os.environ)
    if around is not None and not _asks(asked):
        yield placement.current()
        return
    found = machine.bench(None if bench is None else Path(bench), _working_folder())
    called = plain(name or Path(sys.argv[0]).stem or "python")
    common = hints.Common(
        cores=CORELESS,
        mem_mb=mem_mb,
        disk_mb=disk_mb,
        runtime_s=None if runtime is None else runtime * 60,
        priority=priority or (URGENT_PRIORITY if urgent else 0),
        preempts=URGENT_MARGIN if urgent else None,
        kind=called,
    )
    claim = claim_of(asked, common, found)
    if claim.preemptible is not None:
        problem = "a lease block cannot be restarted"
        fix = "leave it out, or start the program with nvinx run --preemptible"
        raise HintError(called, "preemptible", problem, fix, kind="lease")
    if around is not None:
        outer.demand_within(claim, around, called)
        yield placement.current()
        return
    folder = None if state_dir is None else Path(state_dir)
    if left_over := outer.stale(os.environ):
        _warn(f"nvinx: {left_over}")
    with LeaseClient(found, folder, source=called, say=_warn) as client:
        with as_lease(called):
            held = client.acquire(claim, called, on_wait)
        with client.giving_back(held), _exported(held.exports):
            client.use_here(held)
            with client.watched(held):
                yield placement.current()


def _working_folder() -> Path | None:
    """None where it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _asks(asked: dict[str, object]) -> bool:
    return any(value is not None for value in asked.values())


def claim_of(asked: dict[str, object], common: hints.Common, bench: Bench) -> Claim:
    """The claim of one program outside any workflow, `common.kind`. Raises HintError."""
    name = common.kind
    known = {key: value for key, value in asked.items() if value is not None}
    calibrated = bench.slowdowns.traits if bench.slowdowns else ()
    unknown = sorted(known.keys() - set(hints.HINTS))
    if unknown:
        from nvinx.jobs import misspelt

        better = misspelt.meant(unknown[0], known[unknown[0]], hints.HINTS)
        fix = f"write {better}" if better else f"use {', '.join(hints.HINTS)}"
        raise HintError(name, unknown[0], "nvinx knows no such hint", fix, kind="lease")
    with as_lease(name):
        return hints.read(name, known, common, bench.models, calibrated, bench.card_names)


def _warn(line: str) -> None:
    import logging

    logging.getLogger("nvinx").warning(line)


@contextmanager
def as_lease(name: str) -> Iterator[None]:
    """Errors that speak of a lease, since there is no rule."""
    try:
        yield
    except HintError as error:
        if error.kind == "lease":
            raise
        raise HintError(name, error.hint, error.problem, error.fix, kind="lease") from None
    except ImpossibleJobError as error:
        raise ImpossibleJobError(name, error.problem, error.fix, kind="lease") from None


@contextmanager
def _exported(exports: dict[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in exports}
    os.environ.update(exports)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
