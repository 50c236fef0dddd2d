"""Runs placed jobs through Snakemake's own local executor, in a shell that knows the placement."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from nvinx.errors import NvinxError
from snakemake_executor_plugin_nvinx import messages, snakemake_internals

if TYPE_CHECKING:
    from nvinx.admission.job import Placement
    from snakemake_executor_plugin_nvinx.run import Run

_MEMBERS_PER_JOB = 10


class PreparationError(Exception):
    """The job never started, so its outputs of earlier runs must stay: the run ends instead."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Runner:
    """Knows where each running job was placed, and runs it on the thread of its caller."""

    def __init__(self, executor: Any, run: Run, workers: int) -> None:
        """executor: Snakemake's view of us. workers: how many jobs may run at once."""
        self._executor = executor
        self._run = run
        self._places: dict[Any, tuple[str, Placement]] = {}
        self._prepared: set[Any] = set()
        self._told: dict[Any, dict[str, str]] = {}
        self._attempts: dict[Any, int] = {}
        self._retried_here: dict[Any, list[str]] = {}
        self._markers: dict[Any, snakemake_internals.Markers] = {}
        self._done_before: set[Any] = set()  # of groups, when all was ended
        self._members = ThreadPoolExecutor(
            _MEMBERS_PER_JOB * workers, thread_name_prefix="nvinx-member"
        )
        self._local = self._local_executor(snakemake_internals.InlinePool())
        self._local_groups = self._local_executor(self._members)

    def prepare(self, handle: Any) -> None:
        """What can be done for a job before it has a place."""
        if handle not in self._prepared and not self._run.oom_retry.is_again(handle):
            for member in snakemake_internals.members(handle):
                snakemake_internals.evaluate_tmpdir(member)
            self._prepared.add(handle)

    def place(self, handle: Any, token: str, placement: Placement) -> None:
        """Before a job runs: where, under which token."""
        again = self._run.oom_retry.is_again(handle)
        self._told[handle] = self._run.oom_retry.environment(handle)
        if again:
            self._attempts[handle] = handle.attempt
            snakemake_internals.set_attempt(handle, self._run.oom_retry.number(handle))
        self._retried_here[handle] = self._run.retried_here(handle, token)
        is_prepared = handle in self._prepared
        self._prepared.discard(handle)
        for member in snakemake_internals.members(handle):
            if not is_prepared:
                snakemake_internals.evaluate_tmpdir(member, anew=again)
            self._told[member] = self._told[handle]
            self._places[member] = (token, placement)
        self._places[handle] = (token, placement)

    def forget(self, handle: Any) -> None:
        """The job has ended."""
        for member in (handle, *snakemake_internals.members(handle)):
            self._places.pop(member, None)
            self._told.pop(member, None)
        self._retried_here.pop(handle, None)
        if handle in self._attempts:
            snakemake_internals.set_attempt(handle, self._attempts.pop(handle))

    def about_to_end(self) -> None:
        """All that runs is ended from now on, whatever it is at."""
        markers = list(self._markers.values())
        self._done_before |= {member for one in markers for member in one.removed()}

    def mark_unfinished(self, handle: Any) -> None:
        """Have the next run make anew what was ended; to be called once nothing of it is left.

        A process of Snakemake's removes the mark of a failed job first, and then its outputs, and
        may have been ended between the two. What of a group was done before stays so.
        """
        for member in snakemake_internals.members(handle):
            if not (handle.is_group() and member in self._done_before):
                try:
                    member.register()
                except OSError as error:
                    self._executor.logger.warning(messages.not_marked(member, error))

    def run(self, handle: Any) -> None:
        """Run a placed job to its end. Raises what it fails with, or PreparationError."""
        if not handle.is_group():
            self._local.run_single_job(handle).result()
        elif snakemake_internals.runs_all_at_once(handle):
            self._local_groups.run_group_job(handle)
        else:
            self._run_in_own_process(handle)

    def _run_in_own_process(self, group: Any) -> None:
        """A group, whose members' records only its own process could write well."""
        began = time.time()
        known = self._spawn(self._executor, group)
        snakemake_internals.note_group_end(self._executor.workflow, group, began, known)

    def shutdown(self) -> None:
        self._members.shutdown(wait=True)

    def _local_executor(self, pool: Any) -> Any:
        local = snakemake_internals.local_executor(
            self._executor.workflow, self._executor.logger, pool
        )
        prepare = local.job_args_and_prepare
        local.job_args_and_prepare = lambda job: self._arguments(prepare, job)
        local.spawn_job = lambda job: self._spawn(local, job)
        return local

    def _arguments(self, prepare: Any, job: Any) -> tuple[Any, ...]:
        """The local executor's arguments, with our shell among the resources."""
        shell = self._shell_for(job)
        try:
            arguments = list(prepare(job))
        except Exception as error:
            raise PreparationError(error) from error
        where = next(i for i, a in enumerate(arguments) if a is job.resources)
        arguments[where] = snakemake_internals.with_shell(job.resources, shell)
        self._report_start(job)
        return tuple(arguments)

    def _spawn(self, formatter: Any, job: Any) -> snakemake_internals.Times:
        """Run a job as a process of its own: `run:`, shadow, and grouped jobs."""
        import subprocess

        from snakemake.exceptions import SpawnedJobError

        shell = str.__str__(self._shell_for(job, "sh"))
        self._report_start(job)
        once = snakemake_internals.without_retries(self._retried_here.get(job, ()))
        command = f"{formatter.format_job_exec(job)} {once}"
        self._markers[job] = snakemake_internals.Markers(self._executor.workflow, job)
        try:
            subprocess.check_call(command, shell=True, executable=shell)
        except subprocess.CalledProcessError as error:
            raise SpawnedJobError from error
        finally:
            known = self._markers.pop(job).close()
        return known

    def _report_start(self, job: Any) -> None:
        from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

        self._executor.report_job_submission(SubmittedJobInfo(job=job))

    def _shell_for(self, job: Any, real: str | None = None) -> Any:
        token, placement = self._places[job]
        try:
            real = real or snakemake_internals.shell_of(job)
            return self._run.shell(real, token, placement, self._told[job])
        except NvinxError as error:
            raise PreparationError(error) from error
