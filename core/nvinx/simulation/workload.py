"""A workload: jobs with their times, needs and order, for planning and simulation. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.job import Job
from nvinx.errors import WorkloadError
from nvinx.jobs.card_count import ONE, CardCount
from nvinx.jobs.claim import Claim
from nvinx.residency import Residency
from nvinx.sizes import need_from_mb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nvinx.jobs.card_share import CardShare
    from nvinx.jobs.preemption import Preemptible


class Task(Struct, frozen=True, kw_only=True):
    """One job of a workload; times in seconds, sizes in MB (10^6 bytes).

    duration_s: alone, on the GPU if it uses one. cpu_duration_s: on the CPU instead; None: it may
    not run there. runtime_s: what its author declared, None where nothing. after: names of tasks
    that end before it begins. release_s: when it becomes known. kind: under which runs of such jobs
    are remembered; by default the name up to a bracket. card_name, cards: as in `Claim`. gpu_share:
    the part of its card that it gets, instead of a size. is_guessed: what it needs is not known
    before an earlier task has run. preemptible, preempts, size: as in `Claim`.
    """

    name: str
    duration_s: float
    model: str | None = None
    threads: int = 1
    mem_mb: int = 0
    disk_mb: int = 0
    vram_mb: int | None = None
    residency: Residency | None = None
    after: tuple[str, ...] = ()
    release_s: float = 0.0
    max_slowdown: float | None = None
    cpu_duration_s: float | None = None
    runtime_s: float | None = None
    priority: int = 0
    kind: str | None = None
    card_name: str | None = None
    cards: CardCount = ONE
    gpu_share: CardShare | None = None
    is_guessed: bool = False
    preemptible: Preemptible | None = None
    preempts: int | None = None
    size: float | None = None

    @property
    def wish(self) -> Residency:
        """Where it wants to live: as stated, else shared with a size, else on the CPU."""
        if self.residency is not None:
            return self.residency
        is_silent = self.vram_mb is None and self.gpu_share is None
        return Residency.CPU_ONLY if is_silent else Residency.GPU_SHARED

    @property
    def uses_gpu(self) -> bool:
        return self.wish.uses_gpu


@dataclass(frozen=True)
class Workload:
    """Tasks by name, in an order in which each comes after those it needs.

    Made by `Workload.of`, which raises WorkloadError for names that come twice, needs that are not
    there, and circles.
    """

    tasks: Mapping[str, Task]

    @classmethod
    def of(cls, tasks: Iterable[Task]) -> Workload:
        listed = list(tasks)
        by_name = {task.name: task for task in listed}
        if len(by_name) < len(listed):
            (twice, _), *_ = Counter(task.name for task in listed).most_common(1)
            raise WorkloadError(twice, "two tasks have this name", "rename one of them")
        for task in listed:
            for need in task.after:
                if need not in by_name:
                    fix = "name a task of the workload"
                    raise WorkloadError(task.name, f"comes after {need}, which is not a task", fix)
        return cls(_in_order(by_name))

    @cached_property
    def chains_s(self) -> Mapping[str, float]:
        """The longest chain that begins with each task, by declared times, 1 s where unknown."""
        return _chains(self.tasks, lambda task: task.runtime_s or 1.0)

    @cached_property
    def heads_s(self) -> Mapping[str, float]:
        """Before when no task can begin: its release, and its needs at their shortest."""
        heads: dict[str, float] = {}
        for name, task in self.tasks.items():
            needs = (heads[need] + shortest_s(self.tasks[need]) for need in task.after)
            heads[name] = max(task.release_s, *needs, 0.0)
        return heads

    @cached_property
    def tails_s(self) -> Mapping[str, float]:
        """How long the work behind each task takes at least, once it has ended."""
        chains = _chains(self.tasks, shortest_s)
        return {name: chains[name] - shortest_s(task) for name, task in self.tasks.items()}

    def critical_path_s(self) -> float:
        """No schedule is shorter: the longest chain of tasks at their shortest."""
        ends = (self.heads_s[n] + shortest_s(t) + self.tails_s[n] for n, t in self.tasks.items())
        return max(ends, default=0.0)

    def job(self, name: str) -> Job:
        """The task as admission sees it: what was declared, never how long it will really run."""
        task = self.tasks[name]
        claim = Claim(
            residency=task.wish,
            vram_mib=None if task.vram_mb is None else need_from_mb(task.vram_mb),
            ram_mib=need_from_mb(task.mem_mb),
            disk_mib=need_from_mb(task.disk_mb),
            cores=task.threads,
            cpu_fallback=task.cpu_duration_s is not None and task.uses_gpu,
            ram_overflow=task.wish is Residency.GPU_RAM_OVERFLOW,
            model=task.model,
            max_slowdown=task.max_slowdown,
            runtime_s=task.runtime_s,
            cpu_runtime_s=task.cpu_duration_s,
            chain_s=self.chains_s[name],
            priority=task.priority,
            kind=task.kind or name.partition("[")[0],
            card_name=task.card_name,
            share=task.gpu_share,
            cards=task.cards if task.uses_gpu else ONE,
            preemptible=task.preemptible,
            preempts=task.preempts,
            size=task.size,
        )
        return Job(name, name, claim, "workload")


def shortest_s(task: Task) -> float:
    """The least time the task can take anywhere."""
    if task.cpu_duration_s is None:
        return task.duration_s
    return min(task.duration_s, task.cpu_duration_s)


def _in_order(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Each task after its needs, otherwise as listed."""
    listed = {name: number for number, name in enumerate(tasks)}
    order = TopologicalSorter({name: task.after for name, task in tasks.items()})
    try:
        order.prepare()
    except CycleError as error:
        (name, *_) = error.args[1]
        raise WorkloadError(name, "comes after itself", "break the circle in `after`") from None
    placed: dict[str, Task] = {}
    while order.is_active():
        ready = sorted(order.get_ready(), key=listed.__getitem__)
        placed |= {name: tasks[name] for name in ready}
        order.done(*ready)
    return placed


def _chains(tasks: Mapping[str, Task], length_s: Callable[[Task], float]) -> dict[str, float]:
    behind: dict[str, float] = dict.fromkeys(tasks, 0.0)
    chains: dict[str, float] = {}
    for name, task in reversed(list(tasks.items())):
        chains[name] = length_s(task) + behind[name]
        for need in task.after:
            behind[need] = max(behind[need], chains[name])
    return chains
