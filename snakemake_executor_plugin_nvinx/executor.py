"""The Snakemake executor: takes the whole ready set, runs what the broker admits, in this process.

Three kinds of threads meet here. The scheduler's own hands jobs over and is told of their ends. The
dispatcher's decides and starts. One per running job runs it through Snakemake's local executor.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode

from snakemake_executor_plugin_nvinx import snakemake_internals
from snakemake_executor_plugin_nvinx.settings import ExecutorSettings
from snakemake_executor_plugin_nvinx.workflow_error import WorkflowError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job, Placement
    from nvinx.bench.capacity import Card
    from nvinx.history.runs import PastRun
    from nvinx.leases.giving_back import GivingBack
    from nvinx.leases.suspended_job import Moved
    from nvinx.reasons import Reason
    from snakemake_executor_plugin_nvinx.dispatcher import Dispatcher, Ended, Message

_SPARE_WORKERS = 64
_START_S = 0.01  # about what it takes to start a job
_PATIENCE_S = 0.5  # with the ledger, where others keep it


class Executor(RealExecutor):
    """Runs jobs on this machine, GPU jobs under nvinx's admission."""

    def __post_init__(self) -> None:
        from nvinx.errors import NvinxError

        snakemake_internals.run_in_processes(self.workflow)
        snakemake_internals.let_group_texts_differ()
        snakemake_internals.take_local_rules(self.workflow)
        snakemake_internals.hold_limits(self.workflow)
        try:
            self._open()
        except NvinxError as error:
            raise WorkflowError(str(error)) from error

    def _open(self) -> None:
        """Look at the bench, refuse what can never run, and open for work."""
        from snakemake_executor_plugin_nvinx import messages
        from snakemake_executor_plugin_nvinx.run import Run

        settings = self.workflow.executor_settings or ExecutorSettings()
        self._run = Run.open(settings, self.workflow, self._lost, self._astray)
        self._hold_limits()
        if settings.check is not None:
            self._check(settings.check)
        self._run.demand_possible()
        if settings.workload is not None:
            self._forecast(settings.workload)
        for line in self._run.greeting():
            self.logger.info(line)
        hidden = snakemake_internals.jobs_beyond_limit(self.workflow)
        if hidden:
            self.logger.warning(messages.jobs_hidden(hidden))
        self._prepare()

    def _prepare(self) -> None:
        """Have at hand what the first job needs."""
        from snakemake_executor_plugin_nvinx.job_ids import JobIds
        from snakemake_executor_plugin_nvinx.local_runner import Runner
        from snakemake_executor_plugin_nvinx.suspended_jobs import SuspendedJobs
        from snakemake_executor_plugin_nvinx.wait_lines import WaitLines

        self._running: dict[str, Any] = {}
        self._giving_back: dict[str, GivingBack] = {}
        self._suspended = SuspendedJobs(self._note_moved)
        self._job_ids = JobIds(self._run.context.engine, self.workflow)
        self._halted = self._cancelled = self._told = self._is_ending = False
        self._failure: Exception | None = None
        self._ending = threading.Lock()
        self._killing = threading.Lock()  # held while what is left of jobs may still write
        self._killed: set[str] = set()
        self._cut_short: set[Any] = set()
        self._formatting = threading.local()
        workers = self._run.cores + _SPARE_WORKERS
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="nvinx-job")
        self._runner = Runner(self, self._run, workers)
        self._wait_lines = WaitLines()
        self._dispatcher: Dispatcher | None = None

    def _hold_limits(self) -> None:
        from snakemake_executor_plugin_nvinx import job_claims

        job_claims.demand_countable_vram(self.workflow)
        snakemake_internals.cap_threads(self.workflow, self._run.cores)
        stated_mb = partial(job_claims.vram_mb, models=self._run.bench.models)
        snakemake_internals.limit_vram(self.workflow, stated_mb)

    def _forecast(self, path: Path) -> None:
        """Write the jobs down instead of running them."""
        from nvinx.simulation import workload_file
        from snakemake_executor_plugin_nvinx import plan

        text = workload_file.write(plan.workload_of(self.workflow, self._run))
        path.write_text(text, encoding="utf-8")
        self._run.context.close()
        raise SystemExit(0)

    def _check(self, path: Path) -> None:
        """Write down what each rule means here instead of running jobs."""
        from snakemake_executor_plugin_nvinx import check

        path.write_text(json.dumps(check.checked(self.workflow, self._run)), encoding="utf-8")
        self._run.context.close()
        raise SystemExit(0)

    # called by Snakemake's scheduler

    def run_jobs(self, jobs: list[Any]) -> None:
        """Queue the whole ready set; what starts, and when, is the broker's decision."""
        from nvinx.admission import adjust
        from nvinx.admission.job import Job
        from nvinx.errors import HintError, NvinxError
        from snakemake_executor_plugin_nvinx.dispatcher import Dispatcher, Ready
        from snakemake_executor_plugin_nvinx.upcoming import upcoming_of

        if self._failure is not None:
            return  # the run ends as soon as the last running job has
        ready = []
        try:
            self._run.begin()
            if self._run.look_ahead() and self._run.broker.looks_ahead:
                ahead = upcoming_of(self.workflow, self._run, self._job_ids)
                self._run.broker.upcoming = ahead
            for job in jobs:
                try:
                    claim, name = self._run.ready(job)
                except HintError as error:
                    self._refuse(job, error)
                    continue
                ready.append(
                    (Job(self._job_ids.new(job), name, claim, self._run.context.engine), job)
                )
        except NvinxError as error:
            self.fail(error)
            return
        self._warn()
        handles = {job.id: handle for job, handle in ready}
        ready = [(job, handles[job.id]) for job in adjust.to_learn_by([job for job, _ in ready])]
        for job, handle in ready:
            self._run.trace.submitted(job, self._job_ids.makers(handle))
        if self._dispatcher is None:
            snakemake_internals.hear_sigterm(self.workflow.scheduler)
            self._dispatcher = Dispatcher(self._run.broker, self)
        self._dispatcher.send(Ready(tuple(ready)))

    def run_job(self, job: Any) -> None:
        self.run_jobs([job])

    def shutdown(self) -> None:
        """All is done, or nothing more may start: wait for what runs, then leave."""
        self._pool.shutdown(wait=True)
        self._runner.shutdown()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._run.close()
        if not self._cancelled:
            for line in self._run.summary():
                self.logger.info(line)

    def cancel(self) -> None:
        """End everything at once; a job that was just starting is caught on the next round.

        Who presses Ctrl-C again does not want to wait for those that take their time to end.
        """
        from nvinx.host import keyboard
        from nvinx.leases import processes

        self._halted = self._cancelled = True
        tokens: set[str] = set()
        with contextlib.suppress(KeyboardInterrupt):
            self._runner.about_to_end()
            self._end_all(tokens, processes.GRACE_S)
        with keyboard.ignored():
            self._end_all(tokens, 0.0)
            for handle in self._cut_short:
                self._runner.mark_unfinished(handle)
            self.shutdown()

    def _end_all(self, tokens: set[str], grace_s: float) -> None:
        """Until no job runs. tokens: of those that did, since their shells alone may have ended."""
        from nvinx.leases import processes

        while tokens or self._running:
            tokens |= set(self._running)
            processes.end(tokens, grace_s=grace_s)
            if not self._running:
                break
            time.sleep(0.1)

    @property
    def cores(self) -> int:
        return self._run.cores

    def format_job_exec(self, job: Any) -> str:
        """The command of a group: in the mode in which temporary files go once nobody needs them.

        That mode runs `run:` and shadowed members as threads, so it is for those who need it.
        """
        has_temp = any(self.workflow.dag.get_unneeded_temp_files(job))
        self._formatting.mode = ExecMode.REMOTE if has_temp else ExecMode.SUBPROCESS
        return str(super().format_job_exec(job))

    def get_exec_mode(self) -> ExecMode:
        return getattr(self._formatting, "mode", ExecMode.SUBPROCESS)

    def get_python_executable(self) -> str:
        return sys.executable

    def get_job_exec_prefix(self, job: Any) -> str:  # noqa: ARG002  (the interface's signature)
        return f"cd {shlex.quote(self.workflow.workdir_init)}"

    def additional_general_args(self) -> str:
        return "--quiet progress rules host"

    # called by the dispatcher

    def start(self, job: Job, handle: Any, placement: Placement) -> None:
        """Run an admitted job on a thread of its own."""
        with self._ending:
            self._running[job.id] = handle
        try:
            self._launch(job, handle, placement)
        except BaseException:  # it never ran, so nobody may wait for its end
            self._end(job)
            raise

    def _launch(self, job: Job, handle: Any, placement: Placement) -> None:
        self._runner.place(handle, job.id, placement)
        self.run_job_pre(handle)
        for line in self._run.note_started(job, placement):
            self.logger.info(line)
        future = self._pool.submit(self._runner.run, handle)
        future.add_done_callback(lambda done: self._note_end(job, handle, done))

    def refuse(self, handle: Any, reason: Reason) -> None:
        self._refuse(handle, self._run.refusal(handle, reason))

    def reclaim(self, asked: Reclaim) -> None:
        from nvinx.leases.giving_back import GivingBack

        agreed = self._run.agreed(asked.job_id)
        with self._ending:
            if agreed is None or asked.job_id not in self._running:
                return  # it ends just now
            line = self._run.gives_back(asked)
            if agreed.suspends:
                moved = self._run.suspended_job(asked.job_id, self.logger.info)
                self._suspended.leave(asked, moved)
            else:
                self._giving_back[asked.job_id] = GivingBack(asked.job_id, agreed)
        self.logger.info(line)

    def resume(self, job_id: str) -> None:
        self._suspended.come_back(job_id)

    def end_suspended(self) -> None:
        self._kill(self._suspended.stranded())

    def _note_moved(self, job_id: str, moved: Moved, used_mib: int | None) -> None:
        """On the thread that moved a job."""
        from nvinx.jobs.preemption import Mode, Preemptible
        from nvinx.leases.giving_back import GivingBack
        from nvinx.leases.suspended_job import Moved
        from snakemake_executor_plugin_nvinx.dispatcher import WasMoved

        self._run.trace.moved(job_id, moved.value)
        with self._ending:
            if moved is Moved.STUCK and job_id in self._running:
                self._giving_back[job_id] = GivingBack(job_id, Preemptible(Mode.REQUEUE))
        self._send(WasMoved(job_id, moved, used_mib))

    def _refuse(self, handle: Any, error: Exception) -> None:
        """Let a job fail before it starts, with all that depends on it."""
        self.logger.error(f"nvinx: {error}")
        handle.log_error(msg="nvinx cannot start it; see the reason above")
        snakemake_internals.refuse(self.workflow, handle)

    def hand_back(self, handles: Sequence[Any]) -> None:
        snakemake_internals.hand_back(self.workflow, handles)

    def is_stopping(self) -> bool:
        scheduler = self.workflow.scheduler
        return self._halted or (
            scheduler is not None and snakemake_internals.is_stopping(scheduler)
        )

    def waiting(self, reasons: dict[str, Reason]) -> None:
        for job_id, reason in reasons.items():
            self._run.trace.waited(job_id, reason)
        cards = self._run.broker.state.capacity.cards
        if (line := self._wait_lines.news(reasons, cards, time.monotonic())) is not None:
            self.logger.info(line)

    def next_up(self, line: Iterable[tuple[Job, Any]]) -> None:
        waiting = list(line)
        for _, handle in waiting[:1]:
            self._runner.prepare(handle)
        for news in self._run.staging.look(waiting):
            self.logger.info(news)

    def cards(self) -> Sequence[Card]:
        return self._run.cards()

    def learn(self, ended: Sequence[PastRun]) -> None:
        self._run.keep(ended)

    def learned(self, job: Job, handle: Any) -> Job:
        return self._run.learned(job, handle)

    def end_running(self) -> None:
        """After SIGTERM: end the processes of every running job."""
        from snakemake_executor_plugin_nvinx import messages

        if snakemake_internals.is_killed(self.workflow.scheduler):
            if not self._is_ending:
                self._is_ending = True
                if jobs := len(self._running):
                    keeps = self.workflow.execution_settings.keep_incomplete
                    self.logger.info(messages.ends_on_sigterm(jobs, keep_incomplete=keeps))
                self._runner.about_to_end()
            self._kill(list(self._running))

    def _kill(self, tokens: Collection[str]) -> None:
        from nvinx.leases import processes

        if tokens:
            with self._killing:
                self._killed.update(tokens)
                processes.end(tokens)

    def _lost(self, card_id: str, problem: str) -> None:
        """A card has gone: what ran on it would hang, or has failed without saying why."""
        from snakemake_executor_plugin_nvinx import messages

        there = self._run.on_card(card_id)
        card = self._run.broker.state.capacity.card(card_id)
        self.logger.error(messages.card_lost(card.index, problem, list(there.values())))
        self._kill(there)

    def _astray(self, token: str, index: int) -> None:
        """A job uses a card that it was not given: its rule has set CUDA_VISIBLE_DEVICES itself."""
        from snakemake_executor_plugin_nvinx import messages

        if (placed := self._run.where(token)) is not None:
            self.logger.warning(messages.astray(*placed, index))

    def fail(self, error: Exception) -> None:
        """Start nothing more. Snakemake is told once the last running job has ended.

        Told earlier, it would leave at once, and what those jobs write would count as incomplete.
        """
        from snakemake.exceptions import print_exception

        from nvinx.errors import NvinxError

        with self._ending:
            self._halted = True
            if self._failure is not None:
                return
            self._failure = WorkflowError(str(error)) if isinstance(error, NvinxError) else error
            if self._running:
                print_exception(self._failure, self.workflow.linemaps)
                self.logger.info("No more jobs are started; waiting for running jobs.")
                self._failure = WorkflowError("nvinx had to stop; see the reason above.")
        self._tell_failure()

    def _tell_failure(self) -> None:
        with self._ending:
            if self._failure is None or self._running or self._told:
                return
            self._told = True
        self.workflow.scheduler.executor_error_callback(self._failure)

    # on the job's own thread

    def _note_end(self, job: Job, handle: Any, done: Future[None]) -> None:
        """A mistake in here must not leave Snakemake waiting: futures swallow exceptions."""
        try:
            self._finish(job, handle, done)
        except Exception as error:  # whatever it is, the run ends with it
            self._running.pop(job.id, None)
            self.fail(error)

    def _finish(self, job: Job, handle: Any, done: Future[None]) -> None:
        """Free what the job held, then tell Snakemake how it ended, or try it again."""
        from nvinx.jobs.outcome import Outcome
        from snakemake_executor_plugin_nvinx.local_runner import PreparationError

        error = done.exception()
        with self._killing:
            pass  # its shell may be gone while what it started still writes
        self._suspended.forget(job.id)
        self._runner.forget(handle)
        if isinstance(error, PreparationError):
            self._finish_unprepared(job, error.reason)
            return
        if self._has_given_back(job):
            self._come_back(job, handle)
            return
        end = self._run.judge(job, handle, error, by_us=self._cancelled or self._is_ending)
        if end.outcome is Outcome.OUT_OF_MEMORY and not self.is_stopping():
            again = self._run.again(job, handle, end, self._job_ids.new(handle))
            self._warn()
            if again is not None:
                self._try_again(job, again, handle, end)
                return
        self._warn()
        if error is not None:
            keeps_going = self.workflow.execution_settings.keep_going
            self._halted |= snakemake_internals.is_last_attempt(handle) and not keeps_going
            if self._cancelled or job.id in self._killed:
                self._cut_short.add(handle)
            self._report_failure(handle, error)
        self._pass_on(end)
        if error is None:
            self.report_job_success(SubmittedJobInfo(job=handle))
        self._end(job)
        self._tell_failure()

    def _pass_on(self, end: Ended) -> None:
        """Whoever gets the job's place starts first; all other work on its end would be in the way,
        Snakemake's too.
        """
        self._run.note_ended(end)
        self._send(end)
        with contextlib.suppress(TimeoutError):
            if end.made_way.result(_PATIENCE_S):
                time.sleep(_START_S)
        self._run.clear_away(end.job_id)

    def _finish_unprepared(self, job: Job, reason: Exception) -> None:
        """It never started, and so may no other."""
        from nvinx.jobs.outcome import Outcome
        from snakemake_executor_plugin_nvinx.dispatcher import Ended

        self._halted = True
        failed = Ended(job.id, Outcome.FAILED)
        self._pass_on(failed)
        self._end(job)
        self.fail(reason)

    def _has_given_back(self, job: Job) -> bool:
        """Whether the job was ended so that it gives its card back; nothing of it is left then."""
        with self._ending:
            giving = self._giving_back.pop(job.id, None)
        return giving is not None and giving.was_in_time() and not self._cancelled

    def _come_back(self, job: Job, handle: Any) -> None:
        """Queue a preempted job anew: it did not fail, but its outputs go as after a failure."""
        end = self._run.preempted(job)
        again = self._run.after_preemption(job, self._job_ids.new(handle))
        self._try_again(job, again, handle, end)

    def _try_again(self, job: Job, again: Job, handle: Any, end: Ended) -> None:
        """Queue the job anew; Snakemake does not learn of the failed try, but its outputs go."""
        from snakemake_executor_plugin_nvinx.dispatcher import Ready

        snakemake_internals.clean_up(self.workflow, handle)
        self._mark_what_is_kept(handle)
        self._run.note_ended(end)
        self._run.trace.submitted(again, self._job_ids.makers(handle))
        self._send(end)
        self._send(Ready(((again, handle),)))
        self._run.clear_away(job.id)
        self._end(job)

    def _warn(self) -> None:
        for line in self._run.warnings():
            self.logger.warning(line)

    def _send(self, message: Message) -> None:
        if self._dispatcher is not None:
            self._dispatcher.send(message)

    def _end(self, job: Job) -> None:
        with self._ending:
            del self._running[job.id]

    def _report_failure(self, handle: Any, error: BaseException) -> None:
        """Before the end is sent, so that the scheduler knows before anything else may start."""
        from snakemake.exceptions import SpawnedJobError, print_exception

        if self._cancelled or isinstance(error, KeyboardInterrupt):
            return
        if not isinstance(error, SpawnedJobError):
            print_exception(error, self.workflow.linemaps)
        self.report_job_error(SubmittedJobInfo(job=handle))

    def handle_job_success(self, job: Any) -> None:
        """Nothing to do: the end was noted when it happened."""

    def handle_job_error(self, job: Any) -> None:
        """Its end was noted when it happened. Snakemake has cleaned up after it by now."""
        if job in self._cut_short:
            self._cut_short.discard(job)
            self._mark_what_is_kept(job)

    def _mark_what_is_kept(self, handle: Any) -> None:
        """Of a job that was ended, or runs again: it must not count as whole meanwhile."""
        if self.workflow.execution_settings.keep_incomplete:
            self._runner.mark_unfinished(handle)
