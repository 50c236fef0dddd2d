"""Jobs that ran out of GPU memory: recognised, and tried again one step further."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvinx.admission import explain, retry
from nvinx.host.files import tail
from nvinx.jobs.outcome import TAIL_BYTES, outcome_of
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals

if TYPE_CHECKING:
    from nvinx.admission.job import Job
    from nvinx.admission.retry import RetryStep
    from nvinx.bench.capacity import Capacity
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.outcome import Outcome

_LAST_WORDS_S = 1.0
_LOOK_AGAIN_S = 0.02


class OomRetry:
    """What was tried with each job that ran out of memory. One call at a time for each job."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._tried: dict[Any, list[RetryStep]] = {}
        self._story: dict[Any, list[str]] = {}

    def outcome(self, handle: Any, error: BaseException, stderr: Path) -> Outcome:
        """How a failed job ended, by its exit status and what it wrote."""
        logs = (tail(log, TAIL_BYTES) for log in _logs(handle))
        text = "\n".join((self._last_words(stderr), *logs))
        return outcome_of(snakemake_internals.exit_status(error), text)

    def next_claim(
        self, job: Job, handle: Any, peak_mib: int | None
    ) -> tuple[Claim | None, list[str]]:
        """The claim to try again with and what to say of it; no claim when all was tried."""
        tried = self._tried.setdefault(handle, [])
        story = self._story.setdefault(handle, [])
        story.append(explain.ran_out(job.claim, peak_mib))
        found = retry.next_attempt(job.claim, tried, self._capacity, peak_mib)
        if found is None:
            return None, [explain.gave_up(job.name, job_claims.rule_of(handle), story)]
        step, claim = found
        tried.append(step)
        return claim, [explain.tries_again(job.name, story[-1], step, claim)]

    def forget(self, handle: Any) -> None:
        """The job succeeded, or its end was told."""
        self._tried.pop(handle, None)
        self._story.pop(handle, None)

    def _last_words(self, stderr: Path) -> str:
        """The end of what the job wrote to stderr, once its last process has closed it."""
        deadline = time.monotonic() + _LAST_WORDS_S
        whole = stderr.with_name(f"{stderr.name}.whole")
        while not whole.exists() and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
        return tail(stderr, TAIL_BYTES)


def _logs(handle: Any) -> list[Path]:
    return [Path(str(log)) for member in snakemake_internals.members(handle) for log in member.log]
