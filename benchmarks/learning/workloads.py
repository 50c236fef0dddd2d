"""The workloads of one lab, drawn from a seed: the same rules, run after run, on other inputs."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from nvinx.simulation import generate
from nvinx.simulation.learning import noisy
from nvinx.simulation.workload import Task, Workload

SIZES_MB = (500, 700, 900, 1200, 1600)
JOBS = 5  # of each rule, in a bag
UNEXPLAINED = 0.3  # of the noise, where the sizes of inputs explain the rest
GROWTHS = (0.5, 1.5)  # of the power by which times grow with the size


def seconds(draw: random.Random) -> float:
    return min(max(draw.lognormvariate(3.2, 0.7), 5.0), 200.0)


@dataclass
class Lab:
    """Rules by model, each with its own time and VRAM; `run` gives the workload of one more run."""

    models: list[str]
    draw: random.Random
    shape: str
    noise: float
    sized: bool = False

    def __post_init__(self) -> None:
        self._alone_s = {name: seconds(self.draw) for name in self.models}
        self._vram_mb = {name: self.draw.choice(SIZES_MB) for name in self.models}
        self._plain = SHAPES[self.shape](self)
        if self.sized:
            self._growth = {name: self.draw.uniform(*GROWTHS) for name in self.models}

    def run(self) -> Workload:
        """Jobs of a bag come in another order each time."""
        tasks = list(self._with_other_inputs().tasks.values())
        if self.shape == "bag":
            self.draw.shuffle(tasks)
        return Workload.of(tasks)

    def bag(self) -> Workload:
        return Workload.of(
            self._ruled(Task(name=f"{name}.{k}", duration_s=0, vram_mb=0, model=name))
            for name in self.models
            for k in range(JOBS)
        )

    def generated(self) -> Workload:
        """A shape of the package, in which each job takes the time of its rule."""
        sizes = [(name, self._vram_mb[name]) for name in self.models]
        drawn = generate.KINDS[self.shape](sizes, self.draw)
        return Workload.of(self._ruled(task) for task in drawn.tasks.values())

    def _with_other_inputs(self) -> Workload:
        if not self.sized:
            return noisy(self._plain, self.noise, self.draw)
        sized = Workload.of(self._with_size(task) for task in self._plain.tasks.values())
        return noisy(sized, UNEXPLAINED, self.draw)

    def _with_size(self, task: Task) -> Task:
        """A job with an input, by which most of the noise is explained."""
        growth = self._growth[task.model]
        spread = math.sqrt(self.noise**2 - UNEXPLAINED**2)
        size = math.exp(self.draw.gauss(0.0, spread) / growth)
        return replace(task, size=size, duration_s=task.duration_s * size**growth)

    def _ruled(self, task: Task) -> Task:
        """A job that may share a card is one of its model's rule; all others stay as drawn."""
        if task.vram_mb is None or task.model is None:
            return task
        alone_s = self._alone_s[task.model]
        return replace(
            task,
            kind=f"rule of {task.model}",
            duration_s=alone_s,
            runtime_s=alone_s,
            vram_mb=self._vram_mb[task.model],
        )


SHAPES: dict[str, Callable[[Lab], Workload]] = {
    "bag": Lab.bag,
    "pipelines": Lab.generated,
    "deep": Lab.generated,
    "stream": Lab.generated,
}
