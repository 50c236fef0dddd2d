"""Jobs that ran out of GPU memory: recognised, and tried again one step further."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nvinx.admission import explain, retry
from nvinx.bench.oom_words import words_for
from nvinx.host.files import tail
from nvinx.jobs import attempt
from nvinx.jobs.oom_patterns import HELD_TO_CAP, Memory
from nvinx.jobs.out_of_memory import evidence
from nvinx.jobs.outcome import TAIL_BYTES, Outcome
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nvinx.admission.job import Job
    from nvinx.admission.retry import RetryStep
    from nvinx.bench.capacity import Capacity
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.out_of_memory import Evidence


@dataclass(slots=True)
class _Tries:
    """What was tried with one job, what came of each try, and what the last one said."""

    steps: list[RetryStep] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    said: Evidence | None = None


class OomRetry:
    """What was tried with each job that ran out of memory. One call at a time for each job."""

    def __init__(
        self, capacity: Capacity, patterns: Mapping[str, tuple[str, ...]], *, caps: bool = True
    ) -> None:
        """patterns: the bench file's `oom_patterns`. caps: jobs are held to what they declare."""
        self._capacity, self._patterns, self._caps = capacity, patterns, caps
        self._of: dict[Any, _Tries] = {}

    def outcome(
        self,
        handle: Any,
        error: BaseException | None,
        words: Callable[[], Iterable[str]],
        kernel_kills: int | None = None,
    ) -> tuple[Outcome, str | None]:
        """How a job ended, by its exit status and what it wrote, and what to tell the user of it.

        error: None where it ended well, which does not count where it left an output out for lack
        of memory. words: gives what it wrote to its terminal. kernel_kills: see `lacks_ram`.
        """
        if error is None and not snakemake_internals.lacks_output(handle):
            self.forget(handle)
            return Outcome.OK, None
        status = 0 if error is None else snakemake_internals.exit_status(error)
        texts = [*words(), *(tail(log, TAIL_BYTES) for log in _logs(handle))]
        found = evidence(texts, status, self._own(handle))
        if found is None:
            return Outcome.OK if error is None else Outcome.FAILED, None
        if not found.is_vram:
            told = explain.lacks_ram(job_claims.name_of(handle), found, kernel_kills)
            return Outcome.OK if error is None else Outcome.FAILED, told
        self._of.setdefault(handle, _Tries()).said = found
        return Outcome.OUT_OF_MEMORY, None

    def next_claim(
        self,
        job: Job,
        handle: Any,
        peak_mib: int | None,
        *,
        was_alone: bool = False,
        asks_for: Callable[[int], Claim] | None = None,
    ) -> tuple[Claim | None, list[str]]:
        """The claim to try again with and what to say of it; no claim when all was tried.

        was_alone: nobody else was on the card. asks_for: what the rule asks for at an attempt, by
        its number.
        """
        tries = self._of.setdefault(handle, _Tries())
        tries.story.append(explain.ran_out(job.claim, peak_mib))
        had_card = was_alone and not self._is_held_to_cap(tries.said)
        asked = None if asks_for is None else _asked_anew(asks_for, self.number(handle))
        found = retry.next_attempt(
            job.claim, tries.steps, self._capacity, peak_mib, had_card, asked
        )
        if found is None:
            return None, [explain.gave_up(job.name, job_claims.rule_of(handle), tries.story)]
        step, claim = found
        tries.steps.append(step)
        if asked is not None:
            claim = replace(claim, ram_mib=max(claim.ram_mib, asked.ram_mib))
        said = None if tries.said is None else tries.said.line
        return claim, [explain.tries_again(job.name, tries.story[-1], step, claim, said)]

    def forget(self, handle: Any) -> None:
        """The job succeeded."""
        self._of.pop(handle, None)

    def number(self, handle: Any) -> int:
        """The number of the present try: 1 for the first, whoever had the job tried again."""
        failed = self._of[handle].steps if handle in self._of else ()
        return int(handle.attempt) + len(failed)

    def environment(self, handle: Any) -> dict[str, str]:
        """What the present try is told of those before."""
        again = handle in self._of and bool(self._of[handle].steps)
        return attempt.variables(self.number(handle), Outcome.OUT_OF_MEMORY if again else None)

    def is_again(self, handle: Any) -> bool:
        """Whether the present try is one of ours, of which Snakemake knows nothing."""
        return handle in self._of and bool(self._of[handle].steps)

    def _is_held_to_cap(self, said: Evidence | None) -> bool:
        """Whether what ran out may have been what the job declared, and not the card."""
        if said is None or said.memory is Memory.CAP or not said.sure:
            return True
        return self._caps and said.by in HELD_TO_CAP

    def _own(self, handle: Any) -> list[str]:
        rules = [member.rule.name for member in snakemake_internals.members(handle)]
        return [text for rule in rules for text in words_for(self._patterns, rule)]


def _asked_anew(asks_for: Callable[[int], Claim], number: int) -> Claim | None:
    """What the rule asks for at the next attempt, where that is another amount of VRAM or RAM."""
    now, then = asks_for(number), asks_for(number + 1)
    return None if now.asks_as_much_as(then) else then


def _logs(handle: Any) -> list[Path]:
    return [Path(str(log)) for member in snakemake_internals.members(handle) for log in member.log]
