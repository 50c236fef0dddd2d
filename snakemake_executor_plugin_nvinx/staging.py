"""What the next GPU jobs will load, read into the page cache while they wait."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from nvinx.errors import OptionError
from nvinx.host import resources
from nvinx.staging import files
from nvinx.staging.choose import SMALL_LOAD_BYTES, Load, Memory, choose, is_worth_reading
from nvinx.staging.process import ProcessStager, has_nixl
from snakemake_executor_plugin_nvinx import job_claims, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.admission.job import Job
    from nvinx.staging.ports import File, Stager, Warmed

_NEXT = 32  # of a long queue, the jobs whose files are looked at


def stager(how: str) -> Stager | None:
    """What the option `--nvinx-stage` stands for; None for "off". Raises OptionError."""
    if how == "off":
        return None
    if how == "nixl" and not has_nixl():
        fix = "pip install nixl-cu12 (or nixl-cu13, for CUDA 13), or write on"
        raise OptionError("--nvinx-stage nixl", "NIXL is not installed here", fix)
    return ProcessStager("nixl" if how == "nixl" else "plain")


class Staging:
    """Follows the queue of waiting jobs and has one job's files read at a time.

    What is read for a job that left the queue, since it started or was withdrawn, is given up.
    """

    def __init__(
        self,
        stager: Stager | None,
        share: float,
        ram_left_mib: Callable[[], int] = resources.ram_left_mib,
        weights: Callable[[Any], job_claims.Weights] = job_claims.weights,
    ) -> None:
        """share: of the RAM that is left, which files read ahead may take."""
        self._stager, self._share = stager, share
        self._ram_left_mib, self._weights = ram_left_mib, weights
        self._ahead: dict[str, Load] = {}
        self._reading: Load | None = None
        self._warm: set[str] = set()
        self._told: set[str] = set()
        self._news: list[str] = []

    def look(self, queue: Iterable[tuple[Job, Any]]) -> list[str]:
        """Go on with this queue, which may be empty; returns what to log."""
        if self._stager is None:
            return []
        known = self._ahead
        ahead = [
            known.get(job.id) or self._load(job, handle) for job, handle in islice(queue, _NEXT)
        ]
        self._ahead = {load.job_id: load for load in ahead}
        self._warm &= {file.path for load in ahead for file in load.files}
        if self._reading is not None:
            self._follow(self._stager, self._reading)
        if self._reading is None and any(map(is_worth_reading, ahead)):
            self._begin(self._stager)
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Leave nothing running."""
        self.look(())

    def _load(self, job: Job, handle: Any) -> Load:
        weights = self._weights(handle)
        found: list[File] = []
        for path in weights.paths:
            some = files.behind(path)
            found += some
            if not some and weights.are_named:
                self._complain(job.name, messages.no_file(path))
        return Load(job.id, job.name, tuple(found))

    def _follow(self, stager: Stager, load: Load) -> None:
        done = stager.result()
        if done is not None:
            self._reading = None
            self._warm |= {file.path for file in load.files}
            self._tell(load, done)
        elif load.job_id not in self._ahead:
            stager.stop()
            self._reading = None

    def _begin(self, stager: Stager) -> None:
        memory = Memory(self._ram_left_mib(), self._share)
        self._reading = choose(self._ahead.values(), self._warm, memory)
        if self._reading is not None:
            stager.begin(self._reading.files, memory.floor_mib)

    def _tell(self, load: Load, done: Warmed) -> None:
        if done.size_bytes >= SMALL_LOAD_BYTES:
            self._news.append(messages.warmed(load.name, done))
        if done.problem is not None:
            self._complain(load.name, done.problem)

    def _complain(self, name: str, problem: str) -> None:
        """Once for each problem, since many jobs load the same file."""
        if problem not in self._told:
            self._told.add(problem)
            self._news.append(messages.not_warmed(name, problem))
