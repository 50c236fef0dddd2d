"""Workloads made up from a seed: the shapes in which work comes to a bench. Pure.

Each takes models as (name, VRAM in MB) and a `random.Random`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.jobs.card_count import CardCount
from nvinx.residency import Residency
from nvinx.simulation.workload import Task, Workload

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

Model = tuple[str, int]


def bag(models: Sequence[Model], draw: random.Random, size: int = 30) -> Workload:
    """Independent GPU jobs, all there at once, and CPU jobs besides."""
    tasks = [_gpu(f"gpu{k}", models, draw) for k in range(size)]
    return Workload.of([*tasks, *(_cpu(f"cpu{k}", draw) for k in range(size // 2))])


def pipelines(models: Sequence[Model], draw: random.Random, samples: int = 8) -> Workload:
    """For each sample: prepare on the CPU, two models, a summary; one report at the end."""
    tasks, ends = [], []
    for s in range(samples):
        prepare = _cpu(f"prepare{s}", draw)
        first = _gpu(f"first{s}", models[:2], draw, after=(prepare.name,))
        second = _gpu(f"second{s}", models, draw, after=(first.name,))
        summary = _cpu(f"summary{s}", draw, after=(second.name,))
        tasks += [prepare, first, second, summary]
        ends.append(summary.name)
    return Workload.of([*tasks, _cpu("report", draw, after=tuple(ends))])


def one_exclusive(models: Sequence[Model], draw: random.Random, size: int = 24) -> Workload:
    """A long job that needs the whole card, among many small ones."""
    long_s = round(draw.uniform(100.0, 300.0), 1)
    whole = Task(
        name="exclusive",
        duration_s=long_s,
        runtime_s=long_s,
        residency=Residency.GPU_EXCLUSIVE,
        model=models[0][0],
    )
    small = [_gpu(f"small{k}", models, draw) for k in range(size)]
    return Workload.of([*small[: size // 2], whole, *small[size // 2 :], *_cpus(draw, size // 2)])


def stream(models: Sequence[Model], draw: random.Random, size: int = 40) -> Workload:
    """Small jobs that keep coming, and in the midst of them one that needs the whole card."""
    at, tasks = 0.0, []
    for k in range(size):
        at += draw.expovariate(1 / 18.0)
        tasks.append(_gpu(f"job{k}", models, draw, release_s=at))
    whole_s = round(draw.uniform(100.0, 300.0), 1)
    whole = Task(
        name="exclusive",
        duration_s=whole_s,
        runtime_s=whole_s,
        residency=Residency.GPU_EXCLUSIVE,
        model=models[-1][0],
        release_s=tasks[size // 3].release_s,
    )
    return Workload.of([*tasks, whole])


def wide(models: Sequence[Model], draw: random.Random, size: int = 24) -> Workload:
    """One job opens the way for many, and one gathers them."""
    split = _cpu("split", draw)
    parts = [_gpu(f"part{k}", models, draw, after=("split",)) for k in range(size)]
    return Workload.of([split, *parts, _cpu("gather", draw, after=tuple(p.name for p in parts))])


def deep(models: Sequence[Model], draw: random.Random, size: int = 30) -> Workload:
    """Layers in which each job needs one or two of the layer before; one chain is longer."""
    width = 5
    numbers = range(size)
    rows = [[f"node{k}" for k in numbers[at : at + width]] for at in numbers[::width]]
    tasks = []
    for above, row in zip([[], *rows], rows, strict=False):
        for name in row:
            after = tuple(draw.sample(above, min(len(above), draw.choice((1, 2)))))
            on_gpu = draw.random() < 0.7  # noqa: PLR2004  (most jobs of such graphs)
            tasks.append(
                _gpu(name, models, draw, after=after) if on_gpu else _cpu(name, draw, after=after)
            )
    names = [f"chain{k}" for k in range(len(rows))]
    for name, before in zip(names, [None, *names], strict=False):
        tasks.append(_gpu(name, models[:1], draw, after=(before,) if before else ()))
    return Workload.of(tasks)


def fallback(models: Sequence[Model], draw: random.Random, size: int = 24) -> Workload:
    """Jobs that run on the card, or two to eight times as long on the CPU."""
    jobs = Workload.of(_gpu(f"job{k}", models, draw) for k in range(size))
    return Workload.of([*with_cpu_versions(jobs, draw).tasks.values(), *_cpus(draw, size // 4)])


def basecalling(models: Sequence[Model], draw: random.Random, samples: int = 6) -> Workload:
    """For each sample: a long job that needs the whole card, small ones behind it, a summary."""
    tasks = []
    for s in range(samples):
        long_s = round(draw.uniform(40.0, 120.0), 1)
        call = Task(
            name=f"basecall{s}",
            duration_s=long_s,
            runtime_s=long_s,
            residency=Residency.GPU_EXCLUSIVE,
            model=models[0][0],
        )
        small = [_gpu(f"embed{s}.{k}", models[1:], draw, after=(call.name,)) for k in range(4)]
        summary = _cpu(f"summary{s}", draw, after=tuple(task.name for task in small))
        tasks += [call, *small, summary]
    return Workload.of(tasks)


def with_cpu_versions(workload: Workload, draw: random.Random) -> Workload:
    """Each job of a card may run on the CPU as well, where it takes two to eight times as long."""

    def changed(task: Task) -> Task:
        if not task.uses_gpu:
            return task
        on_cpu_s = round(task.duration_s * draw.uniform(2.0, 8.0), 1)
        return replace(task, cpu_duration_s=on_cpu_s)

    return Workload.of(changed(task) for task in workload.tasks.values())


def pipelines_fallback(models: Sequence[Model], draw: random.Random) -> Workload:
    """Pipelines in which each job of a card has a CPU version."""
    return with_cpu_versions(pipelines(models, draw), draw)


def gangs(models: Sequence[Model], draw: random.Random, cards: int = 2, size: int = 40) -> Workload:
    """Small jobs that keep coming, and among them two that need two to all of the cards at once:
    one has them whole, the other a part of each.
    """
    at, tasks = 0.0, []
    for k in range(size):
        at += draw.expovariate(cards / 18.0)
        tasks.append(_gpu(f"job{k}", models, draw, release_s=at))
    for name, after in (("whole", size // 4), ("parts", size // 2)):
        count = draw.randint(2, cards)
        long_s = round(draw.uniform(100.0, 300.0), 1)
        task = replace(
            _gpu(f"gang {name}", models, draw, release_s=tasks[after].release_s),
            duration_s=long_s,
            runtime_s=long_s,
            cards=CardCount(count, count),
        )
        is_whole = name == "whole"
        whole = replace(task, residency=Residency.GPU_EXCLUSIVE, vram_mb=None)
        tasks.append(whole if is_whole else task)
    return Workload.of(tasks)


KINDS: dict[str, Callable[[Sequence[Model], random.Random], Workload]] = {
    "bag": bag,
    "large bag": lambda models, draw: bag(models, draw, size=60),
    "pipelines": pipelines,
    "one exclusive": one_exclusive,
    "stream": stream,
    "wide": wide,
    "deep": deep,
    "fallback": fallback,
    "basecalling": basecalling,
    "pipelines fallback": pipelines_fallback,
}


def _duration(draw: random.Random) -> float:
    return round(min(max(draw.lognormvariate(3.2, 0.7), 3.0), 200.0), 1)


def _gpu(
    name: str,
    models: Sequence[Model],
    draw: random.Random,
    *,
    after: tuple[str, ...] = (),
    release_s: float = 0.0,
) -> Task:
    model, vram_mb = draw.choice(list(models))
    duration_s = _duration(draw)
    return Task(
        name=name,
        duration_s=duration_s,
        runtime_s=duration_s,
        model=model,
        vram_mb=vram_mb,
        after=after,
        release_s=release_s,
    )


def _cpu(name: str, draw: random.Random, *, after: tuple[str, ...] = ()) -> Task:
    duration_s = _duration(draw)
    threads = draw.choice((1, 1, 1, 2))
    return Task(
        name=name, duration_s=duration_s, runtime_s=duration_s, threads=threads, after=after
    )


def _cpus(draw: random.Random, count: int) -> Iterator[Task]:
    for k in range(count):
        yield _cpu(f"cpu{k}", draw)
