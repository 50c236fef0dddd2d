"""A cluster of 64 nodes under nvinx-slurm, simulated: does it pay to know who slows whom?

    python benchmarks/cluster_simulation.py [--jobs 10000] [--nodes 64] [--cards 1] [--seeds 1]
        [--at-once 1000] [--poll 10] [--scale 1.0] [--least-loaded]

Jobs are drawn from a seed: six of ten share a card, each of one of twelve models of 1.5 to 8 GB,
one of ten wants a card alone, three use none. They take half a minute to half an hour alone. Each
card has 16 GB in four shards. Models suffer and hurt as those of the slowdown model's prior, in
excess `--scale` times as much; jobs on one card slow each other down by that truth.

What is asked of Slurm, which nodes are left out and who is held back is decided by the executor's
own code (`Cluster.ask`, `Apart`), told of starts and ends at each poll as it is. Slurm itself is
`slurm_like.py`. Three runs differ in what is believed of slowdowns: nothing, a model that is fitted
to 2N co-runs measured with an error of 3 %, and the truth.

The bound is `nvinx.bound`'s, with needs rounded up to shards: all work in pieces, at each card's
best mixes, with the longest job as another bound.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

import click
from msgspec import structs
from rich.console import Console
from rich.table import Table
from slurm_like import Asked, Place, Queue

from nvinx.admission.estimates import Estimates
from nvinx.bench.capacity import Capacity, Card
from nvinx.calibration import fit_slowdown_model
from nvinx.calibration.tasks import Together, plan
from nvinx.catalog import Residency
from nvinx.interference import CoRun, SlowdownModel
from nvinx.interference.fit import LEVEL
from nvinx.interference.slowdown import CORRELATION, HURTS_SD, SUFFERS_SD
from nvinx.simulation.generate import bag
from nvinx.simulation.lower_bound import lower_bound_s
from nvinx.simulation.workload import Task, Workload
from nvinx.sizes import mb_from_mib
from nvinx.slurm.anti_affinity import AntiAffinity
from nvinx.slurm.cluster import Ask, Cluster, Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CARD_MIB, SHARDS = 16_000, 4
SHARD_MIB = CARD_MIB // SHARDS
MODELS = 12
SIZES_MB = (1500, 2500, 3500, 4000, 6000, 8000)
LONGER = 10.0  # than the jobs of a bench
PAIR_SD = 0.15  # of ln excess around the product of two factors
ERROR_SD = 0.03
BELIEFS = ("nothing", "predicted", "the truth")


@dataclass(frozen=True)
class Case:
    """What there is to do, by whom, and how they really slow each other down."""

    nodes: tuple[Node, ...]
    workload: Workload
    runs: tuple[CoRun, ...]
    names: tuple[str, ...]

    def believed(self, what: str, seed: int) -> Estimates:
        if what == "nothing":
            return Estimates()
        if what == "the truth":
            return Estimates(exactly(self.runs, self.names))
        draw = random.Random(seed)
        chosen = {frozenset(t.models) for t in plan(self.names) if isinstance(t, Together)}
        known = (run for run in self.runs if frozenset((run.a, run.b)) in chosen)
        return Estimates(fit_slowdown_model([_with_error(run, draw) for run in known]))

    def bound_s(self) -> float:
        cards = sum(node.cards for node in self.nodes)
        card = Card(id="0", index=0, name="card", total_mib=CARD_MIB)
        all_cards = tuple(structs.replace(card, id=str(k), index=k) for k in range(cards))
        capacity = Capacity(all_cards, sum(node.cpus for node in self.nodes), None)
        rounded = Workload({n: _in_shards(t) for n, t in self.workload.tasks.items()})
        return lower_bound_s(rounded, capacity, self.believed("the truth", 0))


def _with_error(run: CoRun, draw: random.Random) -> CoRun:
    def seen(slowdown: float) -> float:
        return slowdown * math.exp(draw.gauss(0.0, ERROR_SD))

    return replace(run, slowdown_a=seen(run.slowdown_a), slowdown_b=seen(run.slowdown_b or 1.0))


def _in_shards(task: Task) -> Task:
    """What counts in Slurm: VRAM in whole shards."""
    if task.vram_mb is None:
        return task
    shards = math.ceil(task.vram_mb / mb_from_mib(SHARD_MIB))
    return structs.replace(task, vram_mb=math.floor(mb_from_mib(shards * SHARD_MIB)))


def exactly(runs: tuple[CoRun, ...], names: tuple[str, ...]) -> SlowdownModel:
    """A model to which each pair was measured."""
    from nvinx.interference.slowdown import Measured, Trait

    measured = {(who, beside): Measured(by) for run in runs for who, beside, by in run.directed}
    size = 1 + 2 * len(names)
    none = tuple((0.0,) * size for _ in range(size))
    traits = {name: Trait(0.0, 0.0, len(names)) for name in names}
    return SlowdownModel(0.0, 0.0, traits, none, measured)


def draw_case(jobs: int, nodes: int, cards: int, scale: float, seed: int) -> Case:
    draw = random.Random(seed)
    names = tuple(f"m{k}" for k in range(MODELS))
    some = bag([(name, draw.choice(SIZES_MB)) for name in names], draw, size=jobs * 6 // 10)
    tasks = [_longer(task) for task in some.tasks.values()]
    alone = (t for t in tasks[: jobs - len(tasks)])
    tasks += [_alone(task, k) for k, task in enumerate(alone)]
    draw.shuffle(tasks)
    node = Node("", cpus=16, ram_mib=64_000, cards=cards, shards=SHARDS * cards, card_mib=CARD_MIB)
    made = tuple(replace(node, name=f"n{k:03}") for k in range(nodes))
    return Case(made, Workload.of(tasks), tuple(draw_runs(names, scale, draw)), names)


def _longer(task: Task) -> Task:
    long_s = task.duration_s * LONGER
    return structs.replace(task, duration_s=long_s, runtime_s=long_s)


def _alone(task: Task, number: int) -> Task:
    wish = Residency.GPU_EXCLUSIVE
    return structs.replace(task, name=f"alone{number}", residency=wish, model=None, vram_mb=None)


def draw_runs(names: tuple[str, ...], scale: float, draw: random.Random) -> Iterator[CoRun]:
    """All pairs of models, twins included: ln excess is what one suffers and what one hurts."""
    suffers, hurts = {}, {}
    for name in names:
        common, own = draw.gauss(0.0, 1.0), draw.gauss(0.0, 1.0)
        suffers[name] = SUFFERS_SD * common
        hurts[name] = HURTS_SD * (CORRELATION * common + math.sqrt(1 - CORRELATION**2) * own)

    def slowdown(who: str, beside: str) -> float:
        noise = draw.gauss(0.0, PAIR_SD)
        return 1 + scale * math.exp(LEVEL + suffers[who] + hurts[beside] + noise)

    for k, a in enumerate(names):
        for b in names[k:]:
            one = slowdown(a, b)
            yield CoRun(a, b, one, one if a == b else slowdown(b, a))


@dataclass(slots=True)
class Outcome:
    makespan_s: float = 0.0
    slowdowns: list[float] = field(default_factory=list)
    held: set[str] = field(default_factory=set)


class Run:
    """One workflow of independent jobs under the executor for clusters."""

    def __init__(self, case: Case, believed: Estimates, how: dict[str, int]) -> None:
        self._cluster = Cluster(case.nodes)
        self._tasks, self._how = case.workload.tasks, how
        self._asks = {n: self._cluster.ask(n, case.workload.job(n).claim) for n in self._tasks}
        self._apart = AntiAffinity(believed.conflict)
        self._apart.expect(ask.claim for ask in self._asks.values())
        self._truth = case.believed("the truth", 0)
        self._queue = Queue(case.nodes, least_loaded=bool(how["least_loaded"]))
        self._to_come = iter(list(self._tasks))
        self._able = frozenset(node.name for node in case.nodes)
        self._held: list[str] = []
        self._in_hand = 0
        self._started: list[tuple[str, str]] = []
        self._ended: list[str] = []
        self._events: list[tuple[float, int, int, Place]] = []
        self._numbers = 0
        self._outcome = Outcome()

    def play(self) -> Outcome:
        at, left = 0.0, len(self._tasks)
        while left:
            self._poll(at)
            at += self._how["poll"]
            while self._events and self._events[0][0] <= at:
                end_s, _, changes, place = heapq.heappop(self._events)
                if changes == place.changes:
                    self._end_first(place, end_s)
                    left -= 1
        return self._outcome

    def _poll(self, at: float) -> None:
        """As the executor does: ends, then starts, then who was held back, then who is new."""
        for name in self._ended:
            self._apart.leave(name)
        for name, node in self._started:
            self._apart.on(name, node)
        self._in_hand -= len(self._ended)
        self._started, self._ended = [], []
        held, self._held = self._held, []
        for name in held:
            self._enter(name, at)
        while self._in_hand < self._how["at_once"] and (name := next(self._to_come, None)):
            self._in_hand += 1
            self._enter(name, at)

    def _enter(self, name: str, at: float) -> None:
        ask = self._asks[name]
        nodes = self._nodes(name, ask, at)
        if nodes is None:
            self._held.append(name)
            self._outcome.held.add(name)
            return
        shards = int(ask.gres.rpartition(":")[2] or 0)
        asked = Asked(name, ask.claim, shards, nodes, self._tasks[name].duration_s)
        if place := self._queue.submit(asked, at):
            self._start(asked, place, at)

    def _nodes(self, name: str, ask: Ask, at: float) -> frozenset[str] | None:
        """Where it may run, as the executor finds it."""
        return self._apart.enter(name, ask.claim, self._able - ask.not_on, at)

    def _start(self, asked: Asked, place: Place, at: float) -> None:
        self._started.append((asked.name, place.node.name))
        self._work(place, at, [job for job in place.jobs if job is not asked])
        self._look_ahead(place, at)

    def _end_first(self, place: Place, at: float) -> None:
        """End the job that is through with its work, and start who fits in its room."""
        self._work(place, at, place.jobs)
        over = min(place.jobs, key=lambda job: job.left_s)
        self._ended.append(over.name)
        self._outcome.makespan_s = at
        if over.claim.residency.shares_card:
            alone_s = self._tasks[over.name].duration_s
            self._outcome.slowdowns.append((at - over.start_s) / alone_s)
        for asked, its in self._queue.leave(over, place, at):
            self._start(asked, its, at)
        self._look_ahead(place, at)

    def _slowdown(self, job: Asked, jobs: Sequence[Asked]) -> float:
        if not job.claim.residency.shares_card:
            return 1.0
        return self._truth.slowdown(job.claim, [other.claim for other in jobs if other is not job])

    def _work(self, place: Place, at: float, jobs: Sequence[Asked]) -> None:
        """What these have done together since anything last changed there."""
        for job in jobs:
            job.left_s -= (at - place.since) / self._slowdown(job, jobs)
        place.since = at

    def _look_ahead(self, place: Place, at: float) -> None:
        """When the first of a place will end if nothing changes there."""
        place.changes += 1
        if place.jobs:
            left_s = min(job.left_s * self._slowdown(job, place.jobs) for job in place.jobs)
            self._numbers += 1
            event = (at + max(left_s, 0.0), self._numbers, place.changes, place)
            heapq.heappush(self._events, event)


def mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 1.0


def play(case: Case, how: dict[str, int], seed: int) -> dict[str, dict[str, float]]:
    """What came of it, by what was believed."""
    bound_s, found = case.bound_s(), {}
    for what in BELIEFS:
        begin = time.process_time()
        outcome = Run(case, case.believed(what, seed), how).play()
        found[what] = {
            "makespan / bound": outcome.makespan_s / bound_s,
            "mean slowdown": mean(outcome.slowdowns),
            "held back": len(outcome.held),
            "CPU (s)": time.process_time() - begin,
        }
    return found


def show(seeds: Sequence[dict[str, dict[str, float]]], title: str) -> None:
    """Means over all seeds, and the ratio to knowing nothing."""
    table = Table(title=title)
    table.add_column("believed of slowdowns")
    columns = [*seeds[0]["nothing"], "makespan / that of nothing"]
    for column in columns:
        table.add_column(column, justify="right")
    for what in BELIEFS:
        ratios = [s[what]["makespan / bound"] / s["nothing"]["makespan / bound"] for s in seeds]
        row = [fmean(seed[what][column] for seed in seeds) for column in columns[:-1]]
        shown = [f"{row[0]:.3f}", f"{row[1]:.2f}", f"{row[2]:.0f}", f"{row[3]:.1f}"]
        worst = f" (worst {max(ratios):.2f})" if len(seeds) > 1 else ""
        table.add_row(what, *shown, f"{fmean(ratios):.3f}{worst}")
    Console(width=120).print(table)


@click.command()
@click.option("--jobs", default=10_000, help="How many jobs.")
@click.option("--nodes", default=64, help="How many nodes.")
@click.option("--cards", default=1, help="Cards of each node.")
@click.option("--seeds", default=1, help="How many cases, from seed 0 on.")
@click.option("--at-once", default=1000, help="Most jobs in the executor's hands at once.")
@click.option("--poll", default=10, help="Seconds between two looks at the jobs.")
@click.option("--scale", default=1.0, help="How much stronger than usual jobs slow each other.")
@click.option("--least-loaded", is_flag=True, help="Slurm spreads jobs over nodes.")
def main(jobs: int, nodes: int, cards: int, seeds: int, scale: float, **how: int) -> None:
    """Makespan over a lower bound with and without knowledge of who slows whom."""
    found = []
    for seed in range(seeds):
        case = draw_case(jobs, nodes, cards, scale, seed)
        found.append(play(case, how, seed))
        one = {what: f"{said['makespan / bound']:.3f}" for what, said in found[-1].items()}
        click.echo(f"seed {seed}: {one}", err=True)
    title = f"{jobs} jobs on {nodes} nodes, at most {how['at_once']} at once, scale {scale:g}"
    show(found, title)


if __name__ == "__main__":
    main()
