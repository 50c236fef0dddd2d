"""The order in which waiting jobs are asked, and who is let forward after too long a wait. Pure.

Nobody is looked at before the policy comes to him, so the length of the queue costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import merge
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nvinx.admission.waiting_queue import CHAINS, Position, due_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nvinx.admission.job import Waiting
    from nvinx.admission.state import State
    from nvinx.admission.waiting_queue import Line, Queue
    from nvinx.jobs.claim import Claim

_Placed: TypeAlias = tuple[Position, int, int, "Waiting"]
_BOTH = (False, True)
_MOST_WAITED = 20.0  # times its own run time, after which a job gives way to nobody


def parts(
    state: State, at: float, long_s: float, has_cores: Callable[[], bool]
) -> list[Iterator[Waiting]]:
    """The queue in parts of one kind each: jobs that may use a card, or jobs that may not.

    In order, but for jobs that others have passed by long enough. Exclusive ones count as of the
    highest priority and longest chain of the queue, but behind urgent jobs to which they agreed to
    give a card back; the first CPU job as a GPU job that came `long_s` later; never as older than
    they are, or others would starve. has_cores: asked again and
    again; once it says no, those that take cores are left out.
    """
    queue = state.waiting
    first = next(queue.in_line(on_cpu=True), None)
    if first is None or not _is_first_on_cpu(first, state, at, long_s):
        return [_on_gpu(queue, at, has_cores), _on_cpu(queue, has_cores)]
    turn = (False, False, -first.job.claim.priority, first.since + long_s)
    return [
        _on_gpu(queue, at, has_cores, until=turn),
        iter([first]),
        _on_gpu(queue, at, has_cores, start=turn),
        (waiting for waiting in _on_cpu(queue, has_cores) if waiting is not first),
    ]


def front(queue: Queue, at: float) -> Iterator[Waiting]:
    """The jobs that may use a card, in the order in which they are asked."""
    return _on_gpu(queue, at, lambda: True)


class _Forward(Struct, frozen=True):
    """Exclusive jobs that waited for half their own run time: smaller ones pass them by.

    first: a job of the highest priority of the queue.
    """

    at: float
    first: Claim | None
    chain_s: float

    @classmethod
    def of(cls, lines: tuple[Line, ...], at: float) -> _Forward:
        firsts = [line.ranked[0][2].job.claim for line in lines if line.ranked]
        chains = [line.chains_s[-1] for line in lines if line.chains_s]
        first = max(firsts, key=lambda claim: claim.priority, default=None)
        return cls(at, first, max(chains, default=0.0))

    def position(self, since: float, *, yields: bool) -> Position:
        """Where such a job stands; one that gives way: just behind those whom it yields to."""
        priority, margin = (0, 0) if self.first is None else (self.first.priority, self.margin)
        return (False, False, margin * yields - priority, since - CHAINS * self.chain_s)

    @property
    def margin(self) -> int:
        """How far the first job's priority has to be above that of others to ask for their card."""
        return 0 if self.first is None else self.first.preempts or 0

    def placed(
        self, line: Line, start: Position | None, until: Position | None
    ) -> Iterator[_Placed]:
        """Those who are let forward, where they stand now."""
        kinds = _BOTH if self.margin else (False,)
        return merge(*(self._placed(line, start, until, yields=kind) for kind in kinds))

    def _yields(self, waiting: Waiting) -> bool:
        """Whether it would have to give a card back, and has not waited for too long already."""
        claim, waited_s = waiting.job.claim, self.at - waiting.since
        if self.first is None or claim.preemptible is None or not self.first.may_preempt(claim):
            return False
        return waited_s <= _MOST_WAITED * (claim.runtime_s or 0.0)

    def _placed(
        self,
        line: Line,
        start: Position | None,
        until: Position | None,
        *,
        yields: bool,
    ) -> Iterator[_Placed]:
        for since, number, waiting in line.passed(self.at):
            if self.margin and self._yields(waiting) is not yields:
                continue
            place = self.position(since, yields=yields)
            if until is not None and place >= until:
                return
            if start is None or place >= start:
                yield place, 0, number, waiting


def _on_gpu(
    queue: Queue,
    at: float,
    has_cores: Callable[[], bool],
    start: Position | None = None,
    until: Position | None = None,
) -> Iterator[Waiting]:
    """The GPU jobs from one position to another, those let forward among them."""
    takes_cores, takes_none = lines = (
        queue.line(on_cpu=False, takes_cores=True),
        queue.line(on_cpu=False, takes_cores=False),
    )
    forward = _Forward.of(lines, at)
    streams = [
        _while(has_cores, forward.placed(takes_cores, start, until)),
        _while(has_cores, _others(takes_cores, forward, start, until)),
        forward.placed(takes_none, start, until),
        _others(takes_none, forward, start, until),
    ]
    return (waiting for *_, waiting in merge(*streams))


def _others(
    line: Line,
    forward: _Forward | None,
    start: Position | None = None,
    until: Position | None = None,
) -> Iterator[_Placed]:
    """Those of a line that are not let forward."""
    if forward is not None and line.are_all_passed(forward.at):
        return
    first = 0 if start is None else bisect_left(line.ranked, (start,))
    for k in range(first, len(line.ranked)):
        place, number, waiting = line.ranked[k]
        if until is not None and place >= until:
            return
        if forward is None or due_s(waiting) >= forward.at:
            yield place, 1, number, waiting


def _on_cpu(queue: Queue, has_cores: Callable[[], bool]) -> Iterator[Waiting]:
    takes_cores = _others(queue.line(on_cpu=True, takes_cores=True), None)
    takes_none = _others(queue.line(on_cpu=True, takes_cores=False), None)
    return (waiting for *_, waiting in merge(_while(has_cores, takes_cores), takes_none))


def _while(goes_on: Callable[[], bool], placed: Iterator[_Placed]) -> Iterator[_Placed]:
    for one in placed:
        if not goes_on():
            return
        yield one


def _is_first_on_cpu(first: Waiting, state: State, at: float, long_s: float) -> bool:
    """Whether GPU jobs kept the first CPU job waiting for too long, and none its size runs."""
    if at - first.since <= long_s:
        return False
    wish = first.job.claim
    there = (r.job.claim for r in state.running.values() if not r.job.claim.uses_gpu)
    return not any(c.cores >= wish.cores and c.ram_mib >= wish.ram_mib for c in there)
