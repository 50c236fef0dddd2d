"""What nvinx makes of each rule before anything runs: what `nvinx check` shows."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nvinx.admission import explain
from nvinx.admission.policy import options
from nvinx.errors import NvinxError
from nvinx.jobs import hints, unlikely
from snakemake_executor_plugin_nvinx import job_claims, messages, snakemake_internals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snakemake_executor_plugin_nvinx.run import Run

_SETS_DEVICES = re.compile(r"\bCUDA_VISIBLE_DEVICES\s*=")
_LIKE_GPU = re.compile(
    r"(?<![\w-])(--(?:use[-_])?gpus?(?:[= ]\w+)?|--device[= ]['\"]?(?:cuda|gpu)[\w:]*|nvidia-smi)"
)


@dataclass
class Checked:
    """One rule or group, each line once.

    runs: where its jobs would run. understood: others' words for a GPU, in nvinx's. unknown: what
    cannot be told yet. doubtful: sizes that can hardly be meant. ignored, errors: what has no
    effect, or is wrong, with what to write.
    """

    name: str
    jobs: int
    runs: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, lines: list[str], line: str) -> None:
        if line not in lines:
            lines.append(line)


def checked(workflow: Any, run: Run) -> list[dict[str, Any]]:
    """Each rule of the jobs to run, by name, then groups that are wrong as a whole."""
    by_rule: dict[str, list[Any]] = defaultdict(list)
    for job in snakemake_internals.pending_jobs(workflow):
        if not job.rule.norun:
            by_rule[f"rule {job.rule.name}"].append(job)
    needs = snakemake_internals.needs(workflow)
    found = [_rule(name, jobs, needs, run) for name, jobs in sorted(by_rule.items())]
    return [asdict(each) for each in (*found, *_groups(workflow, run))]


def _rule(name: str, jobs: list[Any], needs: Callable[[Any], Iterator[Any]], run: Run) -> Checked:
    report = Checked(name, len(jobs))
    for job in sorted(jobs, key=job_claims.name_of):
        error = snakemake_internals.evaluation_error(job)
        if error is None:
            _look_at(job, report, run)
        elif any(needs(job)):
            report.add(report.unknown, "its resources depend on the output of an earlier job")
        else:
            report.add(report.errors, messages.not_computed(name, error.__cause__ or error))
    command = jobs[0].rule.shellcmd or ""
    if _SETS_DEVICES.search(command):
        report.add(report.ignored, messages.sets_devices())
    return report


def _look_at(job: Any, report: Checked, run: Run) -> None:
    _look_at_words(job, report)
    try:
        claim, _ = run.claim(job)
        run.demand_possible_job(job)
    except NvinxError as error:
        report.add(report.errors, str(error))
        return
    waiting = job_claims.unsettled(job, claim)
    for name in waiting:
        report.add(report.unknown, f"{name} depends on the output of an earlier job")
    for word in job_claims.ignored(job, claim):
        report.add(report.ignored, f"{word.stated} means nothing to nvinx. Fix: write {word.write}")
    says_nothing = hints.wish(job_claims.hints_of(job)) is None and not waiting
    looks = _LIKE_GPU.search(job.rule.shellcmd or "") if says_nothing else None
    if looks is not None and not claim.uses_gpu:
        report.add(report.ignored, messages.looks_like_gpu(looks[1]))
    if not waiting:
        possible = options(claim, run.broker.state.capacity)
        report.add(report.runs, explain.would_run(claim, possible))


def _look_at_words(job: Any, report: Checked) -> None:
    """Others' words for a GPU, and what can hardly be meant."""
    for word in job_claims.understood(job):
        means = ", ".join(f"{hint}={value!r}" for hint, value in word.means.items())
        read = f"is read as {means}" if job_claims.counts(job, word) else messages.does_not_count()
        report.add(report.understood, f"{word.stated} {read}")
    if doubt := unlikely.vram(job_claims.hints_of(job)):
        report.add(report.doubtful, f"{doubt}.")


def _groups(workflow: Any, run: Run) -> list[Checked]:
    wrong = []
    for group in sorted(snakemake_internals.groups(workflow), key=lambda each: str(each.groupid)):
        report = Checked(f"group {group.groupid}", len(list(group.jobs)))
        if snakemake_internals.can_be_evaluated(group):
            try:
                run.demand_possible_job(group)
            except NvinxError as error:
                report.errors.append(str(error))
                wrong.append(report)
    return wrong
