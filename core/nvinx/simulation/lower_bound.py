"""How short a schedule could be at best: no policy gets below this. Pure, but for scipy.

The bound is the largest of the critical path and, for all jobs or those with much before or behind
them, a linear programme in which jobs may be cut into pieces: every set of jobs that fits a card
together is a column, worked at as fast as the truth allows, and cores, RAM and cards may not be
overfull on average.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nvinx.residency import Residency
from nvinx.simulation.workload import Workload
from nvinx.sizes import mb_from_mib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nvinx.admission.estimates import Estimates
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.jobs.claim import Claim
    from nvinx.simulation.workload import Task

_MOST_COLUMNS = 20_000
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class _Kind:
    """Tasks that are alike to a card: what they need there, and whom they disturb how.

    A gang is as many pieces of work, one for each of the fewest cards that it may have.
    """

    claim: Claim
    tasks: tuple[Task, ...]

    @property
    def gpu_s(self) -> float:
        return self.claim.cards.least * sum(task.duration_s for task in self.tasks)

    def is_wide(self, cards: int) -> bool:
        """Whether two such, of one kind or two, find no room beside each other."""
        is_whole = not self.claim.residency.shares_card
        return is_whole and 2 * self.claim.cards.least > cards > 1


def lower_bound_s(workload: Workload, capacity: Capacity, truth: Estimates) -> float:
    """Seconds below which no schedule of the workload on this bench can end."""
    best = workload.critical_path_s()
    for head_s in _levels(workload.heads_s.values()):
        for tail_s in _levels(workload.tails_s.values()):
            names = [
                name
                for name in workload.tasks
                if workload.heads_s[name] >= head_s and workload.tails_s[name] >= tail_s
            ]
            if names:
                some = Workload({n: replace(workload.tasks[n], after=()) for n in names})
                best = max(best, head_s + _by_work_s(some, capacity, truth) + tail_s)
    return best


def _levels(values: Iterable[float]) -> list[float]:
    """The least of them and a few larger ones: work can only be done between head and tail."""
    ranked = sorted(set(values)) or [0.0]
    return sorted({ranked[k * (len(ranked) - 1) // _LEVELS] for k in range(_LEVELS + 1)})


def _by_work_s(workload: Workload, capacity: Capacity, truth: Estimates) -> float:
    """The linear programme: least T so that all work fits, in pieces.

    Unknowns: T, the time each column is on the cards, and per kind the share that runs on the CPU.
    """
    import numpy as np
    from scipy.optimize import linprog

    kinds = list(_kinds(workload))
    columns = list(islice(_columns(kinds, capacity, truth), _MOST_COLUMNS))
    if len(columns) == _MOST_COLUMNS:
        columns = _by_size(kinds, capacity)
    cpu = [task for task in workload.tasks.values() if not task.uses_gpu]
    cards = [-len(capacity.cards), *(1.0 for _ in columns), *(0.0 for _ in kinds)]
    rows, limits = [cards, _one_after_the_other(kinds, columns, len(capacity.cards))], [0.0, 0.0]
    for k, kind in enumerate(kinds):
        on_cpu = [-kind.gpu_s if k == other else 0.0 for other in range(len(kinds))]
        rows.append([0.0, *(-column.get(k, 0.0) for column in columns), *on_cpu])
        limits.append(-kind.gpu_s)
    for amount, of in ((float(capacity.cores), "threads"), (_ram_mb(capacity), "mem_mb")):
        if amount is not None:
            rows.append([-amount, *(0.0 for _ in columns), *(_moved(k, of) for k in kinds)])
            limits.append(-_area(cpu, kinds, of))
    cost = np.zeros(len(rows[0]))
    cost[0] = 1.0
    bounds = [(0, None)] * (1 + len(columns)) + [(0, 1 if _has_cpu(kind) else 0) for kind in kinds]
    found = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=bounds)
    least_s: float = found.fun if found.success else 0.0
    return least_s


def _one_after_the_other(
    kinds: Sequence[_Kind], columns: Sequence[dict[int, float]], cards: int
) -> list[float]:
    """A row: gangs that need more than half of the cards, whole, never run at the same time."""
    wide = {k: 1 / kind.claim.cards.least for k, kind in enumerate(kinds) if kind.is_wide(cards)}
    times = (sum(rate * wide.get(k, 0.0) for k, rate in column.items()) for column in columns)
    return [-1.0, *times, *(0.0 for _ in kinds)]


def _moved(kind: _Kind, of: str) -> float:
    """How many more core-seconds (or MB-seconds) the kind takes when it runs on the CPU."""
    return sum(_amount(t, of) * ((t.cpu_duration_s or 0.0) - t.duration_s) for t in kind.tasks)


def _amount(task: Task, of: str) -> float:
    return task.threads if of == "threads" else task.mem_mb


def _area(cpu: Sequence[Task], kinds: Sequence[_Kind], of: str) -> float:
    """Core-seconds (or MB-seconds) of all tasks where each first wants to run."""
    tasks = [*cpu, *(task for kind in kinds for task in kind.tasks)]
    return sum(_amount(task, of) * task.duration_s for task in tasks)


def _ram_mb(capacity: Capacity) -> float | None:
    return None if capacity.ram_mib is None else mb_from_mib(capacity.ram_mib)


def _has_cpu(kind: _Kind) -> bool:
    return all(task.cpu_duration_s is not None for task in kind.tasks)


def _kinds(workload: Workload) -> Iterator[_Kind]:
    """GPU tasks by model, size, cards, residency and whether they have a CPU version."""
    found: dict[Any, list[Task]] = {}
    for task in workload.tasks.values():
        if task.uses_gpu:
            profile = task.model or task.kind
            size = (task.vram_mb, task.gpu_share, task.cards)
            key = (profile, size, task.wish, task.cpu_duration_s is None)
            found.setdefault(key, []).append(task)
    for tasks in found.values():
        yield _Kind(workload.job(tasks[0].name).claim, tuple(tasks))


def _columns(
    kinds: Sequence[_Kind], capacity: Capacity, truth: Estimates
) -> Iterator[dict[int, float]]:
    """Every set of jobs that fits some card together: work per second by kind."""
    seen = set()
    for card in {c.total_mib: c for c in capacity.cards}.values():
        for members in _sets(kinds, card):
            if members not in seen:
                seen.add(members)
                yield _rates(members, kinds, truth)


def _by_size(kinds: Sequence[_Kind], capacity: Capacity) -> list[dict[int, float]]:
    """Where the sets are too many: as many of a kind as the card holds that holds most of them."""
    return [
        {k: max(card.total_mib / max(_held_mib(kind, card), 1) for card in capacity.cards)}
        for k, kind in enumerate(kinds)
    ]


def _held_mib(kind: _Kind, card: Card) -> int:
    return card.need_mib(kind.claim) or card.total_mib


def _rates(members: tuple[int, ...], kinds: Sequence[_Kind], truth: Estimates) -> dict[int, float]:
    """Jobs of one kind are slowed alike, so each kind is asked once."""
    rates = {}
    for k, number in Counter(members).items():
        others = list(members)
        others.remove(k)
        slowdown = truth.slowdown(kinds[k].claim, (kinds[other].claim for other in others))
        rates[k] = number / slowdown
    return rates


def _sets(kinds: Sequence[_Kind], card: Card) -> Iterator[tuple[int, ...]]:
    """Multisets of kinds that fit the card; a kind that must be alone is alone."""
    shared = []
    for k, kind in enumerate(kinds):
        if kind.claim.residency is Residency.GPU_SHARED:
            shared.append(k)
        else:
            yield (k,)
    grown: list[tuple[tuple[int, ...], int]] = [((), card.shareable_mib)]
    while grown:
        members, free = grown.pop()
        for k in shared:
            need = card.need_mib(kinds[k].claim)
            many = members.count(k) >= len(kinds[k].tasks)
            if (members and k < members[-1]) or need > free or many:
                continue
            yield (*members, k)
            grown.append(((*members, k), free - need))
