"""A fake view of the GPUs with real behaviour, shipped so that users' tests can use it too."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.gpu.ports import GpuInventory, GpuProcess, GpuReading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.gpu.ports import Distance, GpuState


class FakeMeter:
    """Replays readings, each once and the last one for ever; without any, nothing is known."""

    def __init__(self, *readings: GpuReading) -> None:
        self._lock = threading.Lock()
        self._readings = deque(readings or (GpuReading(),))

    def read(self) -> GpuReading:
        with self._lock:
            return self._readings.popleft() if len(self._readings) > 1 else self._readings[0]


class FakeTopology:
    """Distances by decree; of other pairs the driver does not say anything."""

    def __init__(self, *distances: Distance) -> None:
        self._distances = distances

    def read(self, ids: Sequence[str]) -> tuple[Distance, ...]:
        return tuple(each for each in self._distances if {each[0], each[1]} <= set(ids))


class FakeProbe:
    """GPUs by decree: plug them in, let programs use them, lose one, or fail the whole driver."""

    def __init__(self, *gpus: GpuState) -> None:
        self._gpus = {gpu.id: gpu for gpu in gpus}
        self._lost: set[str] = set()
        self._failure: str | None = None

    def read(self) -> GpuInventory:
        if self._failure is not None:
            return GpuInventory((), self._failure)
        if not self._gpus:
            return GpuInventory((), "there is no GPU. Fix: plug one in")
        seen = tuple(gpu for gpu in self._gpus.values() if gpu.id not in self._lost)
        problems = [
            f"GPU {gpu.index}: it is lost. Fix: find it"
            for gpu in self._gpus.values()
            if gpu.id in self._lost
        ]
        return GpuInventory(seen, "; ".join(problems) or None)

    def plug(self, gpu: GpuState) -> None:
        """Add a GPU, or put another state in the place of the one with its id."""
        self._gpus[gpu.id] = gpu

    def use(self, gpu_id: str, pid: int, used_mib: int | None) -> None:
        """Let a process use a GPU; None: the driver will not say how much."""
        gpu = self._gpus[gpu_id]
        before = {p.pid: p for p in gpu.processes}
        grown = (used_mib or 0) - (before[pid].used_mib or 0 if pid in before else 0)
        before[pid] = GpuProcess(pid, used_mib)
        used = None if gpu.used_mib is None else gpu.used_mib + grown
        self._gpus[gpu_id] = replace(gpu, used_mib=used, processes=tuple(before.values()))

    def end(self, pid: int) -> None:
        """Let a process end, on every GPU."""
        for gpu in tuple(self._gpus.values()):
            if any(p.pid == pid for p in gpu.processes):
                self.use(gpu.id, pid, 0)
                rest = tuple(p for p in self._gpus[gpu.id].processes if p.pid != pid)
                self._gpus[gpu.id] = replace(self._gpus[gpu.id], processes=rest)

    def lose(self, gpu_id: str) -> None:
        self._lost.add(gpu_id)

    def find(self, gpu_id: str) -> None:
        self._lost.discard(gpu_id)

    def fail(self, problem: str | None) -> None:
        """Fail every look with this problem; None: work again."""
        self._failure = problem
