"""The shortest schedule that a long search finds; `search.cpp` is compiled when first needed."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.interference import SlowdownModel
from nvinx.simulation.workload import Task, Workload

SOURCE = Path(__file__).with_name("search.cpp")
STEPS = 20_000


def shortest_s(
    workload: Workload, capacity: Capacity, truth: SlowdownModel, steps: int = STEPS, seed: int = 1
) -> float:
    """Seconds; RAM is not looked at. Needs g++ on the machine."""
    tasks = list(workload.tasks.values())
    place = {task.name: k for k, task in enumerate(tasks)}
    behind: list[list[int]] = [[] for _ in tasks]
    for task in tasks:
        for need in set(task.after):
            behind[place[need]].append(place[task.name])
    models = sorted({task.model or "" for task in tasks})
    excess = [[truth.predict(one, [other]).slowdown - 1 for other in models] for one in models]
    arguments = [
        _reals(t.duration_s if t.uses_gpu else -1 for t in tasks),
        _reals(_cpu_s(t) for t in tasks),
        _reals(t.release_s for t in tasks),
        _whole(t.threads for t in tasks),
        _whole(models.index(t.model or "") for t in tasks),
        _whole(t.wish is Residency.GPU_EXCLUSIVE for t in tasks),
        _whole(
            card.need_mib(workload.job(t.name).claim) if t.uses_gpu else 0
            for t in tasks
            for card in capacity.cards
        ),
        _whole(card.shareable_mib for card in capacity.cards),
        _reals(value for row in excess for value in row),
        ctypes.c_double(truth.exponent),
        _whole([0, *np.cumsum([len(row) for row in behind])]),
        _whole([k for row in behind for k in row] or [0]),
        _whole(len(set(t.after)) for t in tasks),
    ]
    sizes = (len(tasks), len(capacity.cards), capacity.cores, len(models))
    found = _search()(*sizes, *arguments, steps, seed)
    return float(found)


def _cpu_s(task: Task) -> float:
    on_cpu_s = task.cpu_duration_s if task.uses_gpu else task.duration_s
    return -1.0 if on_cpu_s is None else on_cpu_s


def _reals(values):
    return np.array(list(values), dtype=np.float64).ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def _whole(values):
    return np.array(list(values), dtype=np.int32).ctypes.data_as(ctypes.POINTER(ctypes.c_int))


@cache
def _search():
    text = SOURCE.read_bytes()
    built = Path(tempfile.gettempdir()) / f"nvinx-search-{hashlib.sha256(text).hexdigest()[:16]}.so"
    if not built.exists():
        made = built.with_suffix(f".{os.getpid()}")  # another process may be building it too
        subprocess.run(["g++", "-O2", "-shared", "-fPIC", "-o", made, SOURCE], check=True)
        made.rename(built)
    function = ctypes.CDLL(str(built)).shortest
    function.restype = ctypes.c_double
    return function
