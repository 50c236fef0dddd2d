"""Who shares a card on a real Slurm, looked at over and over while jobs run."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster import Cluster

SHARDS = 4  # of the one card of a node
_FORM = "%i|%T|%N|%b|%S|%e"


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as `squeue` shows it. shards: of a card, all of them for a `gpu:1`, 0 for none."""

    number: str
    state: str
    node: str
    shards: int
    run_s: float | None  # None before its end


class Watch:
    """Samples of a cluster; a context manager. over, beside: samples with such a card.

    over: more shards in use than it has. beside: a job that asked for all of it, and another.
    """

    def __init__(self, cluster: Cluster, pause_s: float = 0.5) -> None:
        self._cluster, self._pause_s = cluster, pause_s
        self.samples = self.over = self.beside = 0
        self._ended: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._note(self._sample())

    @property
    def run_s(self) -> float | None:
        """How long Slurm ran a job on average, in its whole seconds; None where none ended."""
        return round(fmean(self._ended.values()), 2) if self._ended else None

    def _look(self) -> None:
        while not self._stop.wait(self._pause_s):
            self._note(self._sample())

    def _sample(self) -> list[Seen]:
        words = ("--noheader", "--states=all", f"--format={_FORM}")
        return [_seen(line) for line in self._cluster.run("squeue", *words).splitlines()]

    def _note(self, jobs: Iterable[Seen]) -> None:
        held: dict[str, list[int]] = {}
        for job in jobs:
            if job.state == "RUNNING" and job.shards:
                held.setdefault(job.node, []).append(job.shards)
            if job.run_s is not None:
                self._ended[job.number] = job.run_s
        self.samples += 1
        self.over += any(sum(shards) > SHARDS for shards in held.values())
        self.beside += any(SHARDS in s and len(s) > 1 for s in held.values())


def _seen(line: str) -> Seen:
    number, state, node, tres, start, end = line.split("|")
    kind, _, count = tres.removeprefix("gres:").partition(":")
    shards = SHARDS if kind == "gpu" else int(count) if kind == "shard" else 0
    run_s = None
    if state not in {"PENDING", "RUNNING", "COMPLETING"}:
        times = [datetime.fromisoformat(each) for each in (start, end)]
        run_s = (times[1] - times[0]).total_seconds()
    return Seen(number, state, node, shards, run_s)
