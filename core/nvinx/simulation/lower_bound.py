"""How short a schedule could be at best: no policy gets below this. Pure, but for scipy.

The bound is the largest of the critical path and, for all jobs or those with much before or behind
them, a programme in which jobs on a card may be cut into pieces, and each job with a CPU version
runs there or on a card: every set of jobs that fits a card together is a column, worked at as fast
as the truth allows, and cores, RAM and cards may not be overfull on average.
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
_MOST_WHOLE = 100  # jobs with a CPU version: of more, each may be cut between card and CPU
_MOST_NODES = 200  # of the search among who runs on the CPU; what is proved by then is the bound


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
    """The programme: least T so that all work fits; each job is on the CPU or on a card.

    Unknowns: T, the time each column is on the cards, and of each job that may choose whether it
    runs on the CPU, where it takes all its time there.
    """
    import numpy as np
    from scipy.optimize import milp

    kinds = list(_kinds(workload))
    columns = list(islice(_columns(kinds, capacity, truth), _MOST_COLUMNS))
    if len(columns) == _MOST_COLUMNS:
        columns = _by_size(kinds, capacity)
    cpu = [task for task in workload.tasks.values() if not task.uses_gpu]
    both = [(k, t) for k, kind in enumerate(kinds) for t in kind.tasks if _has_cpu(t)]
    nothing, none = [0.0] * len(columns), [0.0] * len(both)
    busy = [-len(capacity.cards), *(1.0 for _ in columns), *none]
    in_turn = [-1.0, *_of_wide_gangs(kinds, columns, len(capacity.cards)), *none]
    rows, limits = [busy, in_turn], [0.0, 0.0]
    for k, kind in enumerate(kinds):
        moved = [-task.duration_s if k == of else 0.0 for of, task in both]
        rows.append([0.0, *(-column.get(k, 0.0) for column in columns), *moved])
        limits.append(-kind.gpu_s)
    for amount, of in ((float(capacity.cores), "threads"), (_ram_mb(capacity), "mem_mb")):
        if amount is not None:
            rows.append([-amount, *nothing, *(_moved(task, of) for _, task in both)])
            limits.append(-_area(cpu, kinds, of))
    is_whole = len(both) <= _MOST_WHOLE
    for n, (_, task) in enumerate(both if is_whole else ()):
        longer_s = (task.cpu_duration_s or 0.0) - task.duration_s
        rows.append([-1.0, *nothing, *(longer_s if n == m else 0.0 for m in range(len(both)))])
        limits.append(-task.duration_s)
    cost = np.zeros(len(rows[0]))
    cost[0] = 1.0
    choices = np.array([0.0, *nothing, *(1.0 for _ in both)])
    found = milp(
        cost,
        integrality=choices * is_whole,
        bounds=(0.0, np.where(choices > 0, 1.0, np.inf)),
        constraints=(np.array(rows), -np.inf, np.array(limits)),
        options={"node_limit": _MOST_NODES},
    )
    proved_s = found.mip_dual_bound if both and is_whole else found.fun
    return float(proved_s or 0.0)


def _of_wide_gangs(
    kinds: Sequence[_Kind], columns: Sequence[dict[int, float]], cards: int
) -> Iterator[float]:
    """Time in each column of gangs that need more than half of the cards, whole: one by one."""
    wide = {k: 1 / kind.claim.cards.least for k, kind in enumerate(kinds) if kind.is_wide(cards)}
    return (sum(rate * wide.get(k, 0.0) for k, rate in column.items()) for column in columns)


def _moved(task: Task, of: str) -> float:
    """How many more core-seconds (or MB-seconds) the task takes when it runs on the CPU."""
    return _amount(task, of) * ((task.cpu_duration_s or 0.0) - task.duration_s)


def _amount(task: Task, of: str) -> float:
    return task.threads if of == "threads" else task.mem_mb


def _area(cpu: Sequence[Task], kinds: Sequence[_Kind], of: str) -> float:
    """Core-seconds (or MB-seconds) of all tasks where each first wants to run."""
    tasks = [*cpu, *(task for kind in kinds for task in kind.tasks)]
    return sum(_amount(task, of) * task.duration_s for task in tasks)


def _ram_mb(capacity: Capacity) -> float | None:
    return None if capacity.ram_mib is None else mb_from_mib(capacity.ram_mib)


def _has_cpu(task: Task) -> bool:
    return task.cpu_duration_s is not None


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
