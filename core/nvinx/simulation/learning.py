"""A workload run again and again, each time with what the runs before it taught. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from nvinx.admission.estimates import Estimates
from nvinx.simulation.baselines import POLICIES, as_in_a_run
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Workload

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nvinx.bench.capacity import Capacity
    from nvinx.history.runs import PastRun
    from nvinx.history.statistics import RunStatistics
    from nvinx.interference.slowdown import SlowdownModel

_SOURCE = "simulated"


class Memory(Protocol):
    """What a history remembers at the start of a run: `nvinx.history.past.Past` is one."""

    statistics: RunStatistics

    def keep(self, runs: Iterable[PastRun], source: str) -> str | None: ...

    def learn(self) -> None: ...


class LearningRun(Struct, frozen=True):
    """One run, in seconds: as it was played, and as other policies would have played it.

    The first two look ahead, as Snakemake runs do.
    learned_s: with what the runs before it taught. calibrated_s: with a calibration of all its
    models. serial_s: one GPU job at a time. packed_s: whatever VRAM holds.
    """

    learned_s: float
    calibrated_s: float
    serial_s: float
    packed_s: float

    @property
    def over_calibrated(self) -> float:
        return self.learned_s / self.calibrated_s


class Scene(Struct, frozen=True):
    """Where runs are played. truth: the real slowdowns; calibrated: a calibration of them.

    told, utilisation: what the bench file says, from which learning sets out.
    """

    capacity: Capacity
    truth: Estimates
    calibrated: SlowdownModel | None
    told: SlowdownModel | None = None
    utilisation: Mapping[str, float] | None = None


def play(
    workloads: Iterable[Workload], scene: Scene, remember: Callable[[], Memory]
) -> Iterator[LearningRun]:
    """Each workload in turn, as a run of its own. remember: opens the history for a new run."""
    for workload in workloads:
        memory = remember()
        estimates = Estimates(scene.told, scene.utilisation, memory.statistics)
        policy, planner = as_in_a_run("nvinx", workload, estimates)
        played = simulate(workload, scene.capacity, policy, scene.truth, memory.statistics, planner)
        memory.keep(played.past, _SOURCE)
        remember().learn()  # of what is kept, as whoever comes next finds it
        yield LearningRun(
            played.makespan_s, *(_makespan_s(workload, scene, name) for name in POLICIES)
        )


def _makespan_s(workload: Workload, scene: Scene, policy: str) -> float:
    """Without anything learned; the policies stand in the order of `LearningRun`."""
    chosen, planner = as_in_a_run(policy, workload, Estimates(scene.calibrated))
    return simulate(workload, scene.capacity, chosen, scene.truth, planner=planner).makespan_s


def noisy(workload: Workload, noise: float, draw: random.Random) -> Workload:
    """The workload with other inputs: its tasks take longer or shorter, what is declared stays.

    noise: standard deviation of ln seconds.
    """

    def drawn(seconds: float) -> float:
        return seconds * math.exp(draw.gauss(0.0, noise))

    return Workload.of(
        replace(
            task,
            duration_s=drawn(task.duration_s),
            cpu_duration_s=task.cpu_duration_s and drawn(task.cpu_duration_s),
        )
        for task in workload.tasks.values()
    )
