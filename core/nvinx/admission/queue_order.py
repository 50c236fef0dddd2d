"""The order in which waiting jobs are asked, and who is let forward after too long a wait. Pure.

These run for every waiting job at every decision, so they look at each one only once.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from nvinx.catalog import Residency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.state import State, Waiting

_CHAINS = 4.0  # seconds of age that each second of the chain behind a job counts for


def position(waiting: Waiting) -> tuple[bool, bool, int, float]:
    """Where a job stands: the smaller comes first."""
    claim = waiting.job.claim
    head_start_s = _CHAINS * claim.chain_s
    on_cpu = not claim.uses_gpu
    takes = on_cpu and (claim.cores > 0 or claim.ram_mib > 0)
    return (on_cpu, takes, -claim.priority, waiting.since - head_start_s)


def parts(state: State, at: float, long_s: float) -> list[Sequence[Waiting]]:
    """The queue in parts of one kind each: jobs that may use a card, or jobs that may not.

    In order, but for jobs that others have passed by long enough. Exclusive ones count as of the
    highest priority and longest chain of the queue, the first CPU job as a GPU job that came
    `long_s` later; never as older than they are, or others would starve.
    """
    queue = list(state.waiting.values())
    border = bisect_left(queue, True, key=_is_on_cpu)
    on_gpu, on_cpu = queue[:border], queue[border:]
    passed = _passed_by(on_gpu, at)
    if passed:
        on_gpu = _let_forward(passed, on_gpu)
    if not on_cpu or not _is_first_on_cpu(on_cpu[0], state, at, long_s):
        return [on_gpu, on_cpu]
    first = on_cpu[0]
    its_position = (False, False, -first.job.claim.priority, first.since + long_s)
    before = bisect_left(on_gpu, its_position, key=position)
    return [on_gpu[:before], [first], on_gpu[before:], on_cpu[1:]]


def _let_forward(passed: Sequence[Waiting], queue: Sequence[Waiting]) -> list[Waiting]:
    """The GPU jobs with these further in front."""
    most = queue[0].job.claim.priority  # the first has the highest
    chain_s = max(w.job.claim.chain_s for w in queue)
    ids = {w.job.id for w in passed}
    rest = [w for w in queue if w.job.id not in ids]
    moved: list[Waiting] = []
    done = 0
    for one in sorted(passed, key=lambda w: w.since):
        its_position = (False, False, -most, one.since - _CHAINS * chain_s)
        until = bisect_left(rest, its_position, lo=done, key=position)
        moved += [*rest[done:until], one]
        done = until
    return moved + rest[done:]


def _is_on_cpu(waiting: Waiting) -> bool:
    return waiting.job.claim.residency is Residency.CPU_ONLY


def _passed_by(queue: Sequence[Waiting], at: float) -> list[Waiting]:
    """Exclusive jobs that have waited for half their own run time: smaller ones pass them by."""
    return [
        waiting
        for waiting in queue
        if (claim := waiting.job.claim).residency is Residency.GPU_EXCLUSIVE
        and claim.runtime_s is not None
        and at - waiting.since > claim.runtime_s / 2
    ]


def _is_first_on_cpu(first: Waiting, state: State, at: float, long_s: float) -> bool:
    """Whether GPU jobs kept the first CPU job waiting for too long, and none its size runs."""
    if at - first.since <= long_s:
        return False
    wish = first.job.claim
    there = (r.job.claim for r in state.running.values() if not r.job.claim.uses_gpu)
    return not any(c.cores >= wish.cores and c.ram_mib >= wish.ram_mib for c in there)
