"""The waiting jobs of a bench in the order in which they are asked. Pure.

A queue never changes: `plus` and `minus` give another one. They copy whole lists at once and look
at no job but those that come or go, so a long queue costs no more than the copying.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Mapping
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from nvinx.admission.job import Waiting
    from nvinx.jobs.claim import Claim

CHAINS = 4.0  # seconds of age that each second of the chain behind a job counts for
_MANY_PASSED = 2000  # of which the first are soon found by age
_MANY = 32  # newcomers that are cheaper to sort in together than one by one

Group: TypeAlias = tuple[bool, bool, int]
Position: TypeAlias = tuple[bool, bool, int, float]
Aged: TypeAlias = tuple[float, int, "Waiting"]
Entry: TypeAlias = tuple[Position, int, "Waiting"]  # the number tells equal positions apart


def position(waiting: Waiting) -> Position:
    """Where a job stands: the smaller comes first.

    GPU jobs before CPU jobs, then by priority, then by chain and age; within the CPU jobs those
    that take neither core nor RAM come first.
    """
    claim = waiting.job.claim
    return (*group(claim), waiting.since - CHAINS * claim.chain_s)


def group(claim: Claim) -> Group:
    """Its kind and priority: the part of its position that no age makes up for."""
    on_cpu = not claim.uses_gpu
    takes = on_cpu and (claim.cores > 0 or claim.ram_mib > 0)
    return (on_cpu, takes, -claim.priority)


class Line(Struct, frozen=True):
    """Jobs of one kind. ranked: by position.

    exclusive, due: those with a known run time, and gangs with one, by age, and by when they will
    have waited for half of it. chains_s: the chains behind all of them, sorted.
    """

    ranked: list[Entry] = field(default_factory=list)
    exclusive: list[Aged] = field(default_factory=list)
    due: list[Aged] = field(default_factory=list)
    chains_s: list[float] = field(default_factory=list)

    def plus(self, entries: list[Entry]) -> Line:
        return self._changed(entries, _sorted_in)

    def minus(self, entries: list[Entry]) -> Line:
        return self._changed(entries, _without)

    def _changed(
        self, entries: list[Entry], how: Callable[[list[Any], list[Any]], list[Any]]
    ) -> Line:
        exclusive = [entry for entry in entries if _is_timed(entry[2])]
        return Line(
            how(self.ranked, entries),
            how(self.exclusive, [(e[2].since, e[1], e[2]) for e in exclusive]),
            how(self.due, [(due_s(e[2]), e[1], e[2]) for e in exclusive]),
            how(self.chains_s, [e[2].job.claim.chain_s for e in entries]),
        )

    def passed(self, at: float) -> Iterator[Aged]:
        """The exclusive jobs that have waited for half their own run time, by age."""
        number = self._passed(at)
        if number > _MANY_PASSED:
            return (aged for aged in self.exclusive if due_s(aged[2]) < at)
        return iter(sorted((one.since, k, one) for _, k, one in self.due[:number]))

    def are_all_passed(self, at: float) -> bool:
        return self._passed(at) == len(self.ranked)

    def _passed(self, at: float) -> int:
        return bisect_left(self.due, (at,))


_Kind: TypeAlias = tuple[bool, bool]  # whether on the CPU, whether it takes cores
_EMPTY = Line()


class Queue(Mapping[str, "Waiting"]):
    """Waiting jobs by id; it iterates in the order in which they are asked."""

    __slots__ = ("_by_id", "_lines", "_next")

    def __init__(self, waiting: Iterable[Waiting] = ()) -> None:
        self._by_id: dict[str, Entry] = {}
        self._lines: dict[_Kind, Line] = {}
        self._next = 0
        self._add(waiting)

    def plus(self, waiting: Iterable[Waiting]) -> Queue:
        """The queue with these as well, whose ids are new."""
        queue = self._copy()
        queue._add(waiting)
        return queue

    def minus(self, job_ids: Collection[str]) -> Queue:
        """The queue without these, which stand in it."""
        if not job_ids:
            return self
        queue = self._copy()
        queue._remove(job_ids)
        return queue

    def __getitem__(self, job_id: str) -> Waiting:
        return self._by_id[job_id][2]

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[str]:
        return (entry[2].job.id for entry in merge(*(x.ranked for x in self._lines.values())))

    def number(self, job_id: str) -> int:
        """A waiting job's number, in the order in which they came."""
        return self._by_id[job_id][1]

    @property
    def on_gpu(self) -> int:
        """How many of the jobs could use a card."""
        return sum(len(line.ranked) for (on_cpu, _), line in self._lines.items() if not on_cpu)

    def as_they_came(self) -> list[Waiting]:
        """All jobs, those first that wait longest."""
        return sorted((entry[2] for entry in self._by_id.values()), key=attrgetter("since"))

    def in_order(self, job_ids: Iterable[str]) -> list[str]:
        """Those of these ids that stand in the queue, in its order."""
        found = [self._by_id[job_id] for job_id in job_ids if job_id in self._by_id]
        return [entry[2].job.id for entry in sorted(found)]

    def in_line(self, *, on_cpu: bool) -> Iterator[Waiting]:
        """The jobs of one kind, from the front."""
        lines = (self.line(on_cpu=on_cpu, takes_cores=takes) for takes in (True, False))
        return (entry[2] for entry in merge(*(line.ranked for line in lines)))

    def line(self, *, on_cpu: bool, takes_cores: bool) -> Line:
        return self._lines.get((on_cpu, takes_cores), _EMPTY)

    def _copy(self) -> Queue:
        queue = Queue()
        queue._by_id, queue._lines = self._by_id.copy(), self._lines.copy()
        queue._next = self._next
        return queue

    def _add(self, waiting: Iterable[Waiting]) -> None:
        new: dict[_Kind, list[Entry]] = {}
        for one in waiting:
            entry = (position(one), self._next, one)
            self._by_id[one.job.id] = entry
            self._next += 1
            new.setdefault(_kind(one), []).append(entry)
        for kind, entries in new.items():
            self._lines[kind] = self._lines.get(kind, _EMPTY).plus(entries)

    def _remove(self, job_ids: Collection[str]) -> None:
        gone: dict[_Kind, list[Entry]] = {}
        for job_id in job_ids:
            entry = self._by_id.pop(job_id)
            gone.setdefault(_kind(entry[2]), []).append(entry)
        for kind, entries in gone.items():
            self._lines[kind] = self._lines[kind].minus(entries)


def _kind(waiting: Waiting) -> _Kind:
    return not waiting.job.claim.uses_gpu, waiting.job.claim.cores > 0


def _is_timed(waiting: Waiting) -> bool:
    claim = waiting.job.claim
    return claim.is_wide and claim.runtime_s is not None


def due_s(waiting: Waiting) -> float:
    """When an exclusive job or a gang will have waited for half its run time; never where nobody
    knows.
    """
    if not _is_timed(waiting):
        return math.inf
    return waiting.since + (waiting.job.claim.runtime_s or 0.0) / 2


def _sorted_in(there: list[Any], new: list[Any]) -> list[Any]:
    if not new:
        return there
    found = there.copy()
    if len(new) > _MANY:
        found += new
        found.sort()
    else:
        for one in new:
            insort(found, one)
    return found


def _without(there: list[Any], gone: list[Any]) -> list[Any]:
    if not gone:
        return there
    found = there.copy()
    for one in gone:
        del found[bisect_left(found, one)]
    return found
