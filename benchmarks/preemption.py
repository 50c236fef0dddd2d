"""How long urgent jobs wait on a card that long ones fill, with and without preemption by consent.

Urgent jobs of seconds come by chance among long ones of half an hour to two hours, which keep one
card busy. Simulated: the policy is the real one, time is made up.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from statistics import mean

from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity, Card
from nvinx.catalog import Residency
from nvinx.jobs.preemption import Preemptible, named
from nvinx.simulation.simulate import Simulation, simulate
from nvinx.simulation.workload import Task, Workload

CARD = Card(id="card", index=0, name="card", total_mib=8000)
LONG_S, URGENT_S = (1800.0, 7200.0), (5.0, 20.0)
LOAD = 0.85
PRIORITY = 10


@dataclass(frozen=True, slots=True)
class Stream:
    """How often urgent jobs come, in seconds, and how the long ones agree, in equal parts."""

    every_s: float
    how: tuple[str, ...]


STREAMS = {
    "told by a signal (30 s)": Stream(7200.0, ("signal",)),
    "a quarter requeued": Stream(7200.0, ("signal", "signal", "signal", "requeue")),
    "all requeued": Stream(7200.0, ("requeue",)),
    "told, urgent ones often": Stream(1200.0, ("signal",)),
}


def workload(stream: Stream, hours: float, seed: int, *, preempts: bool) -> Workload:
    draw = random.Random(seed)
    agreed = [named("", how) for how in stream.how]
    urgent = _arrivals(draw, stream.every_s, hours)
    long = _arrivals(draw, mean(LONG_S) / LOAD, hours)
    return Workload.of(
        [
            *(_urgent(n, at, draw, preempts=preempts) for n, at in enumerate(urgent)),
            *(_long(n, at, draw, agreed[n % len(agreed)]) for n, at in enumerate(long)),
        ]
    )


def _arrivals(draw: random.Random, every_s: float, hours: float) -> list[float]:
    times, at = [], 0.0
    while (at := at + draw.expovariate(1 / every_s)) < 3600 * hours:
        times.append(at)
    return times


def _urgent(number: int, at: float, draw: random.Random, *, preempts: bool) -> Task:
    seconds = draw.uniform(*URGENT_S)
    return Task(
        name=f"urgent[{number}]",
        duration_s=seconds,
        runtime_s=seconds,
        residency=Residency.GPU_EXCLUSIVE,
        release_s=at,
        priority=PRIORITY,
        preempts=PRIORITY if preempts else None,
    )


def _long(number: int, at: float, draw: random.Random, agreed: Preemptible | None) -> Task:
    seconds = draw.uniform(*LONG_S)
    return Task(
        name=f"long[{number}]",
        duration_s=seconds,
        runtime_s=seconds,
        residency=Residency.GPU_EXCLUSIVE,
        release_s=at,
        preemptible=agreed,
    )


def played(stream: Stream, hours: float, seed: int, *, preempts: bool) -> Simulation:
    work = workload(stream, hours, seed, preempts=preempts)
    return simulate(work, Capacity((CARD,), 8, 16000), LongestChainFirst())


def wait_s(simulation: Simulation) -> float:
    """Of an urgent job, on average."""
    return mean(t.start_s - t.ready_s for t in simulation.tasks if t.name.startswith("urgent"))


def lost(simulation: Simulation) -> float:
    """Of the work of long jobs, as a share."""
    work_s = sum(simulation.gpu_busy_s.values()) - simulation.lost_s
    return simulation.lost_s / work_s


def figures(stream: Stream, hours: float, seeds: int) -> tuple[float, float, float, int]:
    """Mean waits of urgent jobs before and with it, the share of work lost, and how often."""
    before = [played(stream, hours, seed, preempts=False) for seed in range(seeds)]
    after = [played(stream, hours, seed, preempts=True) for seed in range(seeds)]
    often = sum(len(each.preempted) for each in after)
    return mean(map(wait_s, before)), mean(map(wait_s, after)), mean(map(lost, after)), often


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=300.0)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    print(
        f"{'long jobs':26} {'waits today':>12} {'with it':>9} {'ratio':>6} {'lost':>6} {'times':>6}"
    )
    for name, stream in STREAMS.items():
        before_s, after_s, share, times = figures(stream, options.hours, options.seeds)
        ratio = after_s / before_s
        print(f"{name:26} {before_s:10.0f} s {after_s:7.1f} s {ratio:6.3f} {share:6.2%} {times:6}")


if __name__ == "__main__":
    main()
