"""One Snakemake run's share of nvinx: bench, broker, shells and the trace of what ran where."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nvinx.admission import adjust, explain
from nvinx.admission.job import Job, Placement
from nvinx.admission.planner.planner import Planner
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench import machine
from nvinx.errors import HintError, ImpossibleJobError, NvinxError
from nvinx.host import kernel_kills
from nvinx.host.clock import boot_seconds
from nvinx.jobs import attempt, unlikely
from nvinx.jobs.outcome import Outcome
from nvinx.jobs.preemption import once_more
from nvinx.leases import outer
from nvinx.leases.context import open_context
from nvinx.runs import read as recorded
from nvinx.runs.sampler import Sampler
from nvinx.runs.trace import Trace
from nvinx.sizes import need_from_mb
from snakemake_executor_plugin_nvinx import (
    ending,
    job_claims,
    messages,
    snakemake_internals,
    staging,
)
from snakemake_executor_plugin_nvinx.dispatcher import Ended
from snakemake_executor_plugin_nvinx.job_shell import ShellExec, Shells, sweep
from snakemake_executor_plugin_nvinx.oom_retry import OomRetry
from snakemake_executor_plugin_nvinx.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Running
    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.history.runs import PastRun
    from nvinx.history.statistics import RunStatistics
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.preemption import Preempted, Preemptible
    from nvinx.leases.broker import Broker
    from nvinx.leases.context import Context
    from nvinx.leases.outer import Outer
    from nvinx.leases.ports import Peaks
    from nvinx.leases.suspended_job import SuspendedJob
    from nvinx.reasons import Reason
    from snakemake_executor_plugin_nvinx.settings import ExecutorSettings

_ON_OR_OFF = ("on", "off")
_KEEP_EVERY_S = 5.0
_LOOK_FOR_CARDS_S = 5.0


@dataclass(slots=True)
class Run:
    """Everything of nvinx that one run needs, from before the first job to after the last."""

    context: Context
    bench: Bench
    trace: Trace
    sampler: Sampler | None
    oom_retry: OomRetry
    peaks: Peaks
    staging: Staging
    _workflow: Any
    _bench_again: Callable[[], Bench]
    _caps: bool = True
    _preempts: int | None = None
    _by_index: bool = False
    _shells: Shells | None = None
    _chains_s: dict[Any, float] = field(default_factory=dict)
    _planned: int = 0
    _warned: set[str] = field(default_factory=set)
    _news: list[str] = field(default_factory=list)
    _kills_before: dict[str, int | None] = field(default_factory=dict)
    _had_company: set[str] = field(default_factory=set)
    _left_over: str | None = None
    _ended: list[PastRun] = field(default_factory=list)
    _kept_at: float = 0.0
    _looked_at: float = field(default_factory=time.monotonic)

    @classmethod
    def open(
        cls,
        settings: ExecutorSettings,
        workflow: Any,
        lost: Callable[[str, str], None],
        astray: Callable[[str, int], None],
    ) -> Run:
        """Raises NvinxError when the bench file or the state folder cannot be used.

        lost: told, from a thread, of a card that has gone under running jobs, and why. astray: of
        a job that uses a card which it was not given, and that card's index.
        """
        folder = Path(snakemake_internals.workflow_folder(workflow))
        around = outer.find(os.environ)
        inside = around if around is not None and around.lease is not None else None
        find_bench = partial(_bench, settings, folder, inside)
        bench = _limited(find_bench(), snakemake_internals.ram_limit_mb(workflow))
        context = open_context(
            bench,
            settings.state_dir,
            cores=workflow.resource_settings.cores or None,
            policy=partial(LongestChainFirst, patience_s=settings.patience),
            inside=inside,
        )
        if settings.look_ahead == "on":
            context.broker.planner = Planner(context.estimates, patience_s=settings.patience)
        outer.sweep(context.state_dir, context.liveness)
        sweep(context.state_dir, context.liveness)
        context.liveness.sweep()
        home = None if settings.trace in _ON_OR_OFF else Path(settings.trace)
        trace = Trace(boot_seconds, None if settings.trace == "off" else Path(), home)
        problem = context.past.problem
        told = [messages.doubt(line) for line in bench.doubts]
        told += [] if problem is None else [messages.untaught(problem)]
        return cls(
            context=context,
            bench=bench,
            trace=trace,
            sampler=None if settings.trace == "off" else Sampler(bench.cards, trace.sample),
            oom_retry=OomRetry(
                context.broker.state.capacity, bench.oom_patterns, caps=settings.caps == "on"
            ),
            peaks=context.peaks(lost, astray),
            staging=Staging(staging.stager(settings.stage), settings.stage_share),
            _workflow=workflow,
            _bench_again=find_bench,
            _caps=settings.caps == "on",
            _preempts=settings.preempt,
            _by_index=settings.device_ids == "index",
            _warned=set(told),
            _news=told,
            _left_over=outer.stale(os.environ),
        )

    @property
    def broker(self) -> Broker:
        return self.context.broker

    @property
    def statistics(self) -> RunStatistics:
        return self.context.past.statistics

    @property
    def cores(self) -> int:
        return self.context.broker.state.capacity.cores

    def greeting(self) -> list[str]:
        """What this run works with, for the first lines of the log."""
        lines = messages.greeting(self.bench, self.cores)
        if self.trace.is_new:
            lines.append(messages.keeps_trace())
        return lines if self._left_over is None else [*lines, f"nvinx: {self._left_over}"]

    def claim(self, job: Any) -> tuple[Claim, str]:
        """The job's claim and name. Raises HintError naming the rule."""
        known = self.bench.slowdowns.traits if self.bench.slowdowns else ()
        claim = job_claims.claim_of(job, self.bench.models, known, self.bench.card_names)
        rule, ram_mib = job_claims.rule_of(job), self.bench.ram_mib
        for member in snakemake_internals.members(job):
            for word in job_claims.ignored(member, claim):
                self._tell(messages.ignored(member.rule.name, word.stated, word.write))
            if doubt := unlikely.vram(job_claims.hints_of(member)):
                self._tell(messages.doubt(f"rule {member.rule.name}: {doubt}"))
        if job.is_group() and (why := job_claims.not_preemptible(job)):
            self._tell(messages.doubt(why))
        if adjust.keeps_running_out(claim, self.statistics):
            self._tell(explain.holds_alone(rule, self.statistics.ran_out(claim.kind)))
        largest_mib = self._largest_mib(claim)
        learned = adjust.by_statistics(claim, self.statistics, largest_mib)
        adjusted = adjust.to_ram(learned, ram_mib)
        if adjusted.ram_mib < claim.ram_mib:
            self._tell(messages.ram_capped(rule, ram_mib))
        preempts = self._preempts if adjusted.uses_gpu else None
        judged, problem = self.context.suspendable.judged(adjusted, rule)
        if problem is not None:
            self._tell(messages.doubt(str(problem)))
        return replace(judged, preempts=preempts), job_claims.name_of(job)

    def _largest_mib(self, claim: Claim) -> int:
        return self.broker.state.capacity.largest_share_mib(claim.cards.least)

    def _tell(self, line: str) -> None:
        """Warn of it once."""
        if line not in self._warned:
            self._warned.add(line)
            self._news.append(line)

    def ready(self, job: Any) -> tuple[Claim, str]:
        """The claim and name of a job that is handed over, with the chain of jobs behind it.

        A wish that grew from try to try grows no further than the card. Raises HintError.
        """
        claim, name = self.claim(job)
        if job.attempt > 1 and self.broker.impossible(Job("", name, claim)) is not None:
            wanted, claim = claim, adjust.to_card(claim, self.broker.state.capacity)
            if claim != wanted:
                self._news.append(messages.grew_too_large(name, job.attempt, wanted, claim))
        chains = (self._chains_s.get(member, 0.0) for member in snakemake_internals.members(job))
        return replace(claim, chain_s=max(chains)), name

    def learned(self, job: Job, handle: Any) -> Job:
        """A waiting job as it would be handed over now, where what it needs has been learned."""
        if self.oom_retry.is_again(handle):
            return job
        largest_mib = self._largest_mib(job.claim)
        new = replace(job, claim=adjust.learned(job.claim, self.statistics, largest_mib))
        if new != job:
            self.trace.learned(new)
        return new

    def look_ahead(self) -> bool:
        """Find the chains behind all jobs anew when a checkpoint has changed what is to do.

        Whether it has.
        """
        planned = snakemake_internals.planned_jobs(self._workflow)
        is_changed = planned != self._planned
        if is_changed:
            self._planned = planned
            self._chains_s = snakemake_internals.chains(
                self._workflow, lambda job: job_claims.length_s(job, self.statistics)
            )
        return is_changed

    def warnings(self) -> list[str]:
        """What to warn of that was not warned of before."""
        news, self._news = self._news, []
        return news

    def demand_possible(self) -> None:
        """Raise one error that names every rule or group which is wrong or can never run here.

        A wrong default is named once, with one of the rules that it is for.

        What waits for a file is looked at when its job is handed over.
        """
        grouped = snakemake_internals.groups(self._workflow)
        inside = {job for group in grouped for job in group.jobs}
        alone = (j for j in snakemake_internals.pending_jobs(self._workflow) if j not in inside)
        problems: dict[str, NvinxError] = {}
        for job in (*alone, *grouped):
            rule = job_claims.rule_of(job)
            if rule not in problems and snakemake_internals.can_be_evaluated(job):
                try:
                    self.demand_possible_job(job)
                except NvinxError as error:
                    problems[rule] = error
        if problems:
            raise job_claims.together(problems.values())

    def demand_possible_job(self, job: Any) -> None:
        """Raise what is wrong with one job or group, but for what waits for a file."""
        for each in job_claims.readable_now(job):
            claim, name = self.claim(each)
            if job_claims.is_settled(each, claim):
                reason = self.broker.impossible(Job("", name, claim))
                if reason is not None:
                    raise self.refusal(each, reason)

    def refusal(self, job: Any, reason: Reason) -> ImpossibleJobError:
        """Why a job or group can never run here, as an error."""
        problem, fix = explain.impossible(reason, self.bench.problem, self.bench.searched)
        if job.is_group():
            return ImpossibleJobError(
                job.groupid, problem, f"{fix}, or take a rule out of the group", kind="group"
            )
        if doubt := unlikely.vram(job_claims.hints_of(job)):
            fix = f"{fix}; {doubt.partition('Fix: ')[2]}"
        return ImpossibleJobError(job.rule.name, problem, fix)

    def begin(self) -> None:
        """Before the first job: write what jobs need. Raises StateDirError."""
        if self._shells is None:
            self.context.liveness.announce(
                self.context.engine
            )  # or another run's sweep takes the shells away
            self._shells = Shells.under(self.context.state_dir, self.context.engine)
            self.trace.begin(self.bench, self.cores, self.context.engine, sys.argv)
            if self.sampler is not None:
                self.sampler.start()

    def cards(self) -> tuple[Card, ...]:
        """The cards there are: looked for anew now and then where they are real."""
        now = time.monotonic()
        if self.context.probe is not None and now - self._looked_at > _LOOK_FOR_CARDS_S:
            self._looked_at = now
            with contextlib.suppress(NvinxError):  # the file was fine when the run began
                found = self._bench_again()
                new = [c for c in found.cards if c.id not in {b.id for b in self.bench.cards}]
                self.bench = replace(self.bench, cards=(*self.bench.cards, *new))
                if new:
                    self.trace.met(new)
        return self.bench.cards

    def shell(self, real: str, token: str, placement: Placement, more: dict[str, str]) -> ShellExec:
        """A stand-in for the shell `real` that first exports where the job was placed, and more."""
        if self._shells is None:
            raise RuntimeError("begin() comes before the first job")
        exports = self.context.exports(token, placement, caps=self._caps, by_index=self._by_index)
        exports |= more | attempt.preempted(self._before(token))
        lock = self.context.lock(token, placement)
        return ShellExec(self._shells.make(token, real, exports, lock))

    def _before(self, token: str) -> Preempted | None:
        """That a running job was preempted before."""
        running = self.broker.state.running.get(token)
        return None if running is None else running.job.preempted

    def note_started(self, job: Job, placement: Placement) -> list[str]:
        """Write the start down; returns the line to log, if the start is worth one."""
        self.peaks.watch(job.id, placement.cards)
        self._kills_before[job.id] = kernel_kills.count()
        beside = self.broker.beside(job.id)
        if beside:
            self._had_company |= {job.id, *(other.job.id for other in beside)}
        slower = self._slowdown(job, placement, beside)
        self.trace.started(job, placement, [other.job.id for other in beside], slower)
        if placement.card is None and not job.claim.uses_gpu:
            return []
        others = [other.job.claim for other in beside]
        told = slower if self.context.estimates.can_be_told(job.claim, others) else None
        return [explain.started(job, placement, self.bench.cards, beside, told)]

    def _slowdown(self, job: Job, placement: Placement, beside: Sequence[Running]) -> float | None:
        """What is expected on the worst of its cards; None on the CPU."""
        on_each = (
            [other.job.claim for other in beside if card_id in other.placement.cards]
            for card_id in placement.cards
        )
        slowdowns = (self.context.estimates.slowdown(job.claim, others) for others in on_each)
        return max(slowdowns, default=None)

    def judge(
        self, job: Job, handle: Any, error: BaseException | None, *, by_us: bool = False
    ) -> Ended:
        """How a job ended that was started. Out of memory is looked for where it used a card.

        by_us: as the user stopped the run, we ended it, so that nobody has to find out who did.
        """
        peak_mib = self.peaks.take(job.id)
        kills = kernel_kills.since(self._kills_before.pop(job.id, None))
        outcome = Outcome.OK if error is None else Outcome.FAILED
        if self.broker.is_on_card(job.id) and self._shells is not None and not by_us:
            words = partial(self._shells.output.ends, job.id)
            outcome, told = self.oom_retry.outcome(handle, error, words, kills)
            self._news += [] if told is None else [told]
        return Ended(job.id, outcome, peak_mib)

    def preempted(self, job: Job) -> Ended:
        """How a job ended that we ended: neither its exit status nor its words tell anything."""
        self._kills_before.pop(job.id, None)
        return Ended(job.id, Outcome.PREEMPTED, self.peaks.take(job.id))

    def again(self, job: Job, handle: Any, end: Ended, token: str) -> Job | None:
        """The job to queue instead of one that ran out of memory; None when all was tried."""
        claim, news = self.oom_retry.next_claim(
            job,
            handle,
            end.peak_mib,
            was_alone=job.id not in self._had_company,
            asks_for=partial(self._asked_for, handle),
        )
        self._news += news
        return None if claim is None else replace(job, id=token, claim=claim)

    def agreed(self, job_id: str) -> Preemptible | None:
        """How a running job of ours gives its card back; None where it does not, or has ended."""
        running = self.broker.state.running.get(job_id)
        return None if running is None else running.job.claim.preemptible

    def suspended_job(self, job_id: str, say: Callable[[str], None]) -> SuspendedJob:
        """What moves a running job of ours off its card and back."""
        return self.context.suspended_job(self.broker.state.running[job_id].job, say)

    def gives_back(self, asked: Reclaim) -> str:
        """Write down that a running job is to give its card back; returns the line to log."""
        self.trace.preempted(asked)
        return explain.gives_back(self.broker.state.running[asked.job_id].job, asked)

    def after_preemption(self, job: Job, token: str) -> Job:
        """The job that comes back into the queue instead of one that gave its card back."""
        now, running = boot_seconds(), self.broker.state.running.get(job.id)
        ran_s = 0.0 if running is None else now - running.since
        cards = () if running is None else running.placement.cards
        return replace(job, id=token, preempted=once_more(job.preempted, now, ran_s, cards))

    def _asked_for(self, handle: Any, attempt: int) -> Claim:
        """What a rule asks for at an attempt that Snakemake has not come to."""
        known = self.bench.slowdowns.traits if self.bench.slowdowns else ()
        before = handle.attempt
        snakemake_internals.set_attempt(handle, attempt)
        try:
            return job_claims.claim_of(handle, self.bench.models, known)
        finally:
            snakemake_internals.set_attempt(handle, before)

    def retried_here(self, handle: Any, token: str) -> list[str]:
        """The rules of a job or group whose own process may not try them again.

        They ask for other amounts at their next attempt, or may be told to end, with any status.
        """
        members = [m for m in snakemake_internals.members(handle) if m.restart_times]
        agreed = self.agreed(token) is not None
        return sorted({m.rule.name for m in members if agreed or self._grows(m)})

    def _grows(self, member: Any) -> bool:
        try:
            now, then = (self._asked_for(member, member.attempt + more) for more in (0, 1))
        except HintError:
            return True
        return not now.asks_as_much_as(then)

    def on_card(self, card_id: str) -> dict[str, str]:
        """Names of this run's jobs on a card, by token."""
        return {r.job.id: r.job.name for r in self.broker.state.on_card(card_id)}

    def where(self, token: str) -> tuple[str, str] | None:
        """Name and place of a running job of this run; None when it has ended."""
        running = self.broker.state.running.get(token)
        if running is None:
            return None
        return running.job.name, explain.where(running.placement, self.bench.cards)

    def note_ended(self, end: Ended) -> None:
        self.trace.ended(end.job_id, end.outcome, end.peak_mib)

    def clear_away(self, token: str) -> None:
        """Remove what a job needed that has ended."""
        if self._shells is not None:
            self._shells.drop(token)

    def keep(self, ended: Iterable[PastRun], *, at_once: bool = False) -> None:
        """Write down how jobs ran, every few seconds; what cannot be written is told once."""
        self._ended += ended
        now = time.monotonic()
        if not self._ended or (now - self._kept_at < _KEEP_EVERY_S and not at_once):
            return
        source = snakemake_internals.snakefile(self._workflow)
        problem = self.context.past.keep(self._ended, source)
        if problem is not None:
            self._tell(messages.untaught(problem))
        self.context.past.learn_meanwhile()
        self._ended, self._kept_at = [], now

    def summary(self) -> list[str]:
        """What became of it, for the end of the log."""
        with contextlib.suppress(NvinxError):  # nobody may fail for a sentence
            if self.trace.path is not None:
                return list(ending.lines(recorded.read(self.trace.path)))
        return []

    def close(self) -> None:
        """End the trace and leave the state folder as it was found."""
        self.keep((), at_once=True)
        self.context.past.learn_the_rest()
        self.staging.close()
        self.context.close()
        self.context.liveness.retire(self.context.engine)
        if self._shells is not None:
            self._shells.close()
        sweep(self.context.state_dir, self.context.liveness)
        self.context.liveness.sweep()
        if self.sampler is not None:
            self.sampler.stop()
        self.trace.close()


def _bench(settings: ExecutorSettings, folder: Path, inside: Outer | None) -> Bench:
    """What there is to share out: of the machine, or of the lease that this run is in."""
    bench = machine.bench(settings.bench, folder, settings.headroom_mb)
    if inside is None or inside.lease is None:
        return bench
    return outer.share_of(bench, inside.lease)


def _limited(bench: Bench, ram_mb: int | None) -> Bench:
    """The bench with no more RAM than the user lets this run have."""
    return (
        bench
        if ram_mb is None
        else replace(bench, ram_mib=min(bench.ram_mib, need_from_mb(ram_mb)))
    )
