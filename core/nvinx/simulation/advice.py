"""What would shorten a planned run most: single changes, each tried in the simulation. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.run_times import CPU_SLOWER
from nvinx.errors import WorkloadError
from nvinx.residency import Residency
from nvinx.simulation.workload import Workload
from nvinx.sizes import gb_from_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nvinx.bench.capacity import Capacity
    from nvinx.jobs.card_share import CardShare
    from nvinx.simulation.workload import Task

MOST_TASKS = 1500  # a larger workload takes too long to play a dozen times
_PLAYED = 12 * MOST_TASKS  # tasks in all, with every change that is tried
_WORTH_TELLING = 0.02
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Advice:
    """A change in words, and what it would save, in seconds and as a share of the makespan."""

    change: str
    saves_s: float
    share: float


@dataclass(frozen=True, slots=True)
class _Change:
    words: str
    workload: Workload
    capacity: Capacity


def advise(
    workload: Workload, capacity: Capacity, makespan_s: Callable[[Workload, Capacity], float]
) -> list[Advice]:
    """The changes that save most, best first; none that saves less than a fiftieth.

    Of a large workload with many rules only those are tried whose tasks take longest.

    makespan_s: plays a workload on a bench.
    """
    now_s = makespan_s(workload, capacity)
    found = []
    tried = _PLAYED // max(len(workload.tasks), 1)
    for change in islice(_changes(workload, capacity), tried):
        try:
            saves_s = now_s - makespan_s(change.workload, change.capacity)
        except WorkloadError:
            continue  # it could not run at all that way
        if saves_s > _WORTH_TELLING * now_s:
            found.append(Advice(change.words, saves_s, saves_s / now_s))
    return sorted(found, key=lambda advice: -advice.saves_s)[:_TOLD]


def _changes(workload: Workload, capacity: Capacity) -> Iterator[_Change]:
    yield from _more_machine(workload, capacity)
    rules = _longest_first(workload)
    largest = max((card.shareable_mib for card in capacity.cards), default=0)
    for rule, task in rules.items():
        if task.wish is Residency.GPU_EXCLUSIVE and largest:
            half_mb = int(gb_from_mib(largest) * 500)
            words = f"declare vram_mb for {rule}, if it needs {half_mb} or less"
            yield _of_rule(workload, capacity, rule, words, vram_mb=half_mb, share=True)
        elif task.wish is Residency.GPU_SHARED and task.vram_mb:
            half_mb = task.vram_mb // 2
            words = f"let {rule} use {half_mb} MB of VRAM instead of {task.vram_mb}"
            yield _of_rule(workload, capacity, rule, words, vram_mb=half_mb)
        elif task.gpu_share is not None:
            less = task.gpu_share.smaller()
            words = f"let {rule} use {less.text} instead of {task.gpu_share.text}"
            yield _of_rule(workload, capacity, rule, words, gpu_share=less)
        if task.cpu_duration_s is None:
            words = f"add cpu_fallback=1 to {rule}, if the CPU takes {CPU_SLOWER:g} times as long"
            yield _of_rule(workload, capacity, rule, words, on_cpu=CPU_SLOWER)


def _more_machine(workload: Workload, capacity: Capacity) -> Iterator[_Change]:
    twice = replace(capacity, cores=2 * capacity.cores)
    yield _Change(f"{twice.cores} cores instead of {capacity.cores}", workload, twice)
    if capacity.cards:
        first = capacity.cards[0]
        other = replace(first, id=f"{first.id} once more", index=len(capacity.cards))
        more = replace(capacity, cards=(*capacity.cards, other))
        yield _Change("one more card like the first", workload, more)


def _of_rule(  # noqa: PLR0913  (what may change of a rule)
    workload: Workload,
    capacity: Capacity,
    rule: str,
    words: str,
    *,
    vram_mb: int | None = None,
    share: bool = False,
    gpu_share: CardShare | None = None,
    on_cpu: float | None = None,
) -> _Change:
    """The workload with one thing changed for all tasks of a rule."""

    def changed(task: Task) -> Task:
        if _rule(task) != rule or not task.uses_gpu:
            return task
        cpu_s = task.duration_s * on_cpu if on_cpu else task.cpu_duration_s
        return replace(
            task,
            vram_mb=vram_mb or task.vram_mb,
            gpu_share=gpu_share or task.gpu_share,
            residency=Residency.GPU_SHARED if share else task.residency,
            cpu_duration_s=cpu_s,
        )

    return _Change(words, Workload.of(map(changed, workload.tasks.values())), capacity)


def _longest_first(workload: Workload) -> dict[str, Task]:
    """A task of each rule that uses a card; the rules by how long all their tasks take."""
    of_rule: dict[str, list[Task]] = defaultdict(list)
    for task in workload.tasks.values():
        if task.uses_gpu:
            of_rule[_rule(task)].append(task)
    found = sorted(of_rule.items(), key=lambda item: (-sum(t.duration_s for t in item[1]), item[0]))
    return {rule: tasks[-1] for rule, tasks in found}


def _rule(task: Task) -> str:
    return task.name.partition("[")[0]
