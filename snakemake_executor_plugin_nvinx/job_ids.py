"""The names under which nvinx knows a workflow's jobs: one for each try."""

from __future__ import annotations

import itertools
from typing import Any

from snakemake_executor_plugin_nvinx import snakemake_internals


class JobIds:
    """Gives out ids, and remembers which job each stands for."""

    def __init__(self, engine: str, workflow: Any) -> None:
        self._engine, self._workflow = engine, workflow
        self._numbers = itertools.count(1)
        self._last: dict[Any, str] = {}
        self._kept: dict[Any, str] = {}

    def of(self, job: Any) -> str:
        """The id of a job that was handed over, or that it will have."""
        if job not in self._last and job not in self._kept:
            self._kept[job] = self._next()
        return self._last.get(job) or self._kept[job]

    def _next(self) -> str:
        return f"{self._engine}.{next(self._numbers)}"

    def new(self, handle: Any) -> str:
        """An id for a job or group job that is handed over, or tried again."""
        job_id = self._kept.pop(handle, None) or self._next()
        for job in snakemake_internals.members(handle):
            self._last[job] = job_id
        return job_id

    def makers(self, handle: Any) -> list[str]:
        """The ids of the jobs of this run that made what this one reads."""
        made = snakemake_internals.makers(self._workflow, handle)
        return sorted({self._last[job] for job in made if job in self._last})
