"""The executor for clusters: the Slurm plugin's, with what jobs ask for worked out from hints.

Slurm distributes the jobs. On its node each runs inside `nvinx slurm-task`, which gives it the
environment of a bench and writes down how it ended. Array jobs alone go the Slurm plugin's own way,
by another Snakemake on the node.
"""

from __future__ import annotations

import shlex
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_executor_plugin_slurm import ExecutorSettings as SlurmSettings
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from nvinx.errors import NvinxError
from nvinx.host import keyboard
from nvinx.jobs.outcome import Outcome
from nvinx.slurm import tools as slurm_tools
from snakemake_executor_plugin_nvinx import job_claims, snakemake_internals
from snakemake_executor_plugin_nvinx.workflow_error import WorkflowError
from snakemake_executor_plugin_nvinx_slurm import profile, request
from snakemake_executor_plugin_nvinx_slurm.run import Placed, SlurmRun
from snakemake_executor_plugin_nvinx_slurm.settings import OwnSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nvinx.jobs.claim import Claim

_GRACE_S = 120.0  # for a node's answer to come through a shared file system
_LOOK_S = 60.0  # between two looks for jobs that are over and were not reported
_CANCELLED_S = 60.0  # a busy controller may take that long to answer
_STEP = "--executor slurm-jobstep --jobs 1"


@dataclass
class ExecutorSettings(OwnSettings, SlurmSettings):
    """All that the Slurm plugin knows, and our own."""


class Executor(SlurmExecutor):
    """Asks before the first job whether Slurm answers, and whether it can run every job."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        settings = workflow.executor_settings
        self._placed: dict[Any, Placed] = {}
        self._held: list[Any] = []
        self._placing = threading.Lock()
        self._reported: set[int] = set()
        self._missing: set[str] = set()
        self._look_at = 0.0
        self._halted = False
        job_claims.demand_countable_vram(workflow)
        try:
            self._run = SlurmRun.open(settings, workflow)
            self._run.demand_possible(snakemake_internals.pending_jobs(workflow))
            arrays = (settings.array_jobs or "").replace(";", ",").split(",")
            self._arrays = {rule.strip() for rule in arrays if rule.strip()}
            self._run.demand_alike(snakemake_internals.pending_jobs(workflow), self._arrays)
            if settings.profile is not None:
                profile.write(settings.profile, workflow, self._run)
                raise SystemExit(0)
            self._run.demand_alone()
            self._run.make_folder()
            if not slurm_tools.has_accounting():
                settings.status_command = "squeue"
        except NvinxError as error:
            raise WorkflowError(str(error)) from error
        # A script gets to its node to the letter; the Slurm plugin's arrays need --wrap.
        settings.pass_command_as_script = not self._arrays
        settings.init_seconds_before_status_checks = settings.poll_seconds
        for line in self._run.greeting():
            logger.info(line)
        super().__init__(workflow, logger)
        self._run.note_name(self.run_uuid)

    # called by Snakemake's scheduler

    def run_jobs(self, jobs: list[Any]) -> None:
        """Ask Slurm for what the hints say; what must not meet others yet is held back."""
        if self._halted:
            return
        ready = [job for job in jobs if self._may_go(job)]
        self._warn()
        super().run_jobs(ready)

    def run_job(self, job: Any) -> None:
        """On a thread of its own, so that a mistake would leave Snakemake waiting for the job."""
        try:
            super().run_job(job)
        except Exception as error:
            reason = error.__context__ or error  # the base fails at telling why a group failed
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"{reason}\n")

    def shutdown(self) -> None:
        """Leave nothing to Slurm that nobody waits for: after an error, jobs still run."""
        if snakemake_internals.has_executor_error(self.workflow.scheduler):
            self._stop()
        super().shutdown()
        self._warn()
        self._run.close()

    def cancel(self) -> None:
        """Called on Ctrl-C, or when Snakemake itself fails."""
        self._stop()
        self.shutdown()

    def _stop(self) -> None:
        """Submit nothing more, and cancel what Slurm has of this run.

        By the run's name: the base forgets jobs while it looks at them or submits them.
        """
        self._halted = True
        self.logger.info("nvinx: cancelling this run's jobs in Slurm; Ctrl-C has to wait for that.")
        with keyboard.ignored():
            self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
            clusters = ["--clusters=all"] if self._submitted_job_clusters else []
            words = (f"--name={self.run_uuid}", *clusters)
            try:
                slurm_tools.ask("scancel", *words, limit_s=_CANCELLED_S)
            except NvinxError as error:
                raise WorkflowError(str(error)) from error

    def _may_go(self, job: Any) -> bool:
        """Whether to submit a job now; one that cannot run after all fails before it starts."""
        try:
            return self._prepare(job)
        except NvinxError as error:
            self._refuse(job, error)
            return False

    def _refuse(self, job: Any, error: Exception) -> None:
        self._forget(job)
        self.logger.error(f"nvinx: {error}")
        job.log_error(msg="nvinx cannot start it; see the reason above")
        snakemake_internals.refuse(self.workflow, job)

    def _prepare(self, job: Any, claim: Claim | None = None) -> bool:
        """Work out what a job asks for; False where it is held back. Raises NvinxError."""
        placed = self._placed.get(job)
        if placed is None and self._run.speaks_for_itself(job):
            self._run.ask(job)
            return True
        if placed is None or claim is not None:
            placed = self._placed[job] = self._run.place(job, claim, placed)
        with self._placing:
            nodes = self._run.nodes_for(placed)
            if nodes is None:
                self._held.append(job)
                return False
        request.rewrite(job, placed, nodes, self._failed_nodes)
        return True

    def _go_on(self) -> None:
        """Submit what was held back and may go now; give it back once the run is stopping."""
        with self._placing:
            held, self._held = self._held, []
        if held and self._is_stopping():
            for job in held:
                self._forget(job)
            snakemake_internals.hand_back(self.workflow, held)
            return
        for job in held:
            if self._may_go(job):
                self._submit_job(job)

    # how a job gets to its node

    def additional_general_args(self) -> str:
        return ""

    def format_job_exec(self, job: Any) -> str:
        plain: str = super().format_job_exec(job)
        placed = self._placed.get(job)
        if placed is None or self._is_step(job):
            return f"{plain} {_STEP} {request.step_arguments(job)}"
        rules = sorted({member.rule.name for member in snakemake_internals.members(job)})
        once = f"{plain} {snakemake_internals.without_retries(rules)}"
        words = [sys.executable, "-m", "nvinx", "slurm-task"]
        return shlex.join([*words, str(placed.file), "sh", "-c", once])

    def get_job_exec_prefix(self, job: Any) -> str:
        placed = self._placed.get(job)
        if placed is None or not self._is_step(job):
            return ""
        return request.exports(placed)

    def _is_step(self, job: Any) -> bool:
        """Whether the job goes the Slurm plugin's own way, by a second Snakemake under srun."""
        rule = job_claims.rule_of(job)
        in_array = not job.is_group() and bool({"all", rule} & self._arrays)
        return in_array or bool(job.resources.get("mpi"))

    def get_account_arg(self, job: Any) -> Any:
        """The account that a rule names; else Slurm knows the user's own."""
        if job.resources.get("slurm_account"):
            yield from super().get_account_arg(job)
        else:
            yield ""

    # how it ended

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        """Whatever was not reported is still active: the base forgets what Slurm could not tell."""
        self._reported = set()
        async for _ in super().check_active_jobs(active_jobs):
            pass
        unheard = [info for info in active_jobs if id(info) not in self._reported]
        self._look_for_gone(unheard)
        for info in unheard:
            if id(info) not in self._reported:
                self._note_node(info.job)
                yield info
        self._go_on()
        self._warn()
        self.next_seconds_between_status_checks = self.workflow.executor_settings.poll_seconds

    def _look_for_gone(self, unheard: list[SubmittedJobInfo]) -> None:
        """Report the jobs that Slurm has no more, though it never said that they ended.

        It forgets them some minutes after their end, and its accounting may be late, or say it in
        words that the base does not know. squeue shows what is queued or runs; missing there twice,
        so that it did not end just now, a job is over as its node said.
        """
        ours = {i.external_jobid: i for i in unheard if self._answers(i.job)}
        ended = any(self._run.end_of(self._placed[i.job]) for i in ours.values())
        now = time.monotonic()
        if not ours or self._submitted_job_clusters or (now < self._look_at and not ended):
            return
        self._look_at = now + _LOOK_S
        try:
            missing = ours.keys() - slurm_tools.alive(self.run_uuid)
        except NvinxError:
            return
        for number in missing & self._missing:
            self._report_gone(ours[number])
        self._missing = missing

    def _answers(self, job: Any) -> bool:
        """Whether the job's node says how it ended."""
        return job in self._placed and not self._is_step(job)

    def _report_gone(self, info: SubmittedJobInfo) -> None:
        placed = self._placed[info.job]
        end = self._run.end_of(placed)
        if end is not None and end.outcome is Outcome.OK:
            self.report_job_success(info)
        elif end is not None or not self._may_yet_answer(placed):
            how = "it failed" if end is not None else "its node did not say how it ended"
            msg = f"Slurm has job {info.external_jobid} no more, and {how}.\n"
            self.report_job_error(info, msg, aux_logs=[str(info.aux.get("slurm_logfile"))])

    def _note_node(self, job: Any) -> None:
        placed = self._placed.get(job)
        if placed is not None and (node := self._run.node_of(placed)) is not None:
            with self._placing:
                self._run.anti_affinity.on(placed.job.id, node)

    def report_job_success(self, info: SubmittedJobInfo) -> None:
        """Only once the node has said so, too: the base takes an unknown status for success."""
        placed = self._placed.get(info.job)
        if placed is not None and not self._is_step(info.job):
            end = self._run.end_of(placed)
            if end is None and self._may_yet_answer(placed):
                return
            self._run.learn(placed, end)
        self._reported.add(id(info))
        self._forget(info.job)
        super().report_job_success(info)

    def _may_yet_answer(self, placed: Placed) -> bool:
        now = time.monotonic()
        placed.since = now if placed.since is None else placed.since
        return now - placed.since < _GRACE_S

    def report_job_error(self, info: SubmittedJobInfo, msg: str | None = None, **more: Any) -> None:
        """A job that ran out of GPU memory asks again for more; other failures are Snakemake's."""
        self._reported.add(id(info))
        placed = self._placed.get(info.job)
        claim = None if placed is None else self._after_failure(placed, msg or "")
        if claim is not None:
            # Not here: Snakemake cleans up in an event loop, and this thread has one.
            self._job_submission_executor.submit(self._try_again, info.job, claim)
            return
        self._forget(info.job)
        if info.job.is_group() and msg:  # Snakemake leaves the reason out
            self.logger.error(f"group {info.job.groupid}: {msg}")
        super().report_job_error(info, msg=msg, **more)

    def _after_failure(self, placed: Placed, msg: str) -> Claim | None:
        """Take note of a failure; what to ask for instead, if it ran out and may be tried again."""
        end = self._run.end_of(placed)
        self._note_failed_node(placed, msg)
        self._leave(placed)
        claim = None
        if end is not None and end.outcome is Outcome.OUT_OF_MEMORY and not self._is_stopping():
            claim = self._run.again(placed, end)
        self._run.learn(placed, end)
        return claim

    def _is_stopping(self) -> bool:
        return self._halted or snakemake_internals.is_stopping(self.workflow.scheduler)

    def _try_again(self, job: Any, claim: Claim) -> None:
        """Submit a job anew; Snakemake does not learn of the failed try, but its outputs go."""
        try:
            snakemake_internals.clean_up(self.workflow, job)
            if self._prepare(job, claim):
                self._submit_job(job)
        except NvinxError as error:
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"{error}\n")
        except Exception as error:  # whatever it is, the run ends with it
            self._halted = True
            self.workflow.scheduler.executor_error_callback(error)

    def _note_failed_node(self, placed: Placed, msg: str) -> None:
        node = self._run.node_of(placed)
        if "NODE_FAIL" in msg and node is not None:
            self._failed_nodes.add(node)

    def _forget(self, job: Any) -> None:
        placed = self._placed.pop(job, None)
        if placed is not None:
            self._leave(placed)

    def _leave(self, placed: Placed) -> None:
        with self._placing:
            self._run.anti_affinity.leave(placed.job.id)

    def _warn(self) -> None:
        for line in self._run.warnings():
            self.logger.warning(line)
