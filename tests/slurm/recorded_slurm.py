"""Slurm's tools as scripts that note how they were called, and a workflow of jobs to submit to them.

What the slurm plugin does with a job can so be seen without a Slurm, a Snakefile or a DAG.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from snakemake.iocontainers import ResourceList
from snakemake_interface_executor_plugins.settings import SharedFSUsage

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = {
    "sbatch": 'printf "%s\\0" "$@" >"$0.called"; cat >"$0.script"; echo 7',
    "squeue": 'cat "$0.says"',
    "scontrol": "echo 'MinJobAge = 300 sec'",
    "sinfo": "echo 'all*'",
    "sacct": "echo 'Slurm accounting storage is disabled' >&2; exit 1",
    "scancel": 'printf "%s\\0" "$@" >"$0.called"',
}


@dataclass
class RecordedSlurm:
    """A folder for PATH; `squeue` fails until it is told what to say."""

    folder: Path

    def __post_init__(self) -> None:
        for tool, script in TOOLS.items():
            (self.folder / tool).write_text(f"#!/bin/sh\n{script}\n")
            (self.folder / tool).chmod(0o755)

    def called(self, tool: str) -> list[str]:
        """The words after the tool in its last call; none if it was not called."""
        file = self.folder / f"{tool}.called"
        return file.read_text().split("\0")[:-1] if file.exists() else []

    @property
    def script(self) -> str:
        """What sbatch was given to run by standard input."""
        return (self.folder / "sbatch.script").read_text()

    def says(self, *states: str) -> None:
        """What squeue prints from now on, such as `7|RUNNING`."""
        (self.folder / "squeue.says").write_text("".join(f"{state}\n" for state in states))


def job(**resources: Any) -> Any:
    """A job of rule `r` with two threads, as far as executors look at it."""
    return SimpleNamespace(
        name="r",
        rule=SimpleNamespace(name="r"),
        rules=["r"],
        jobid=1,
        attempt=1,
        threads=2,
        wildcards=["a"],
        is_updated=False,
        resources=ResourceList(fromdict=resources),
        is_group=lambda: False,
        log_info=lambda: None,
        log_error=lambda *_, **__: None,
        register=lambda **_: None,
        get_target_spec=list,
        get_wait_for_files=list,
    )


@dataclass
class Scheduler:
    """Notes what an executor reports of its jobs."""

    submitted: list[Any] = field(default_factory=list)
    finished: list[Any] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)

    def submit_callback(self, job: Any) -> None:
        self.submitted.append(job)

    def finish_callback(self, job: Any) -> None:
        self.finished.append(job)

    def error_callback(self, job: Any) -> None:
        self.failed.append(job)


def workflow(plugin: Any, **settings: Any) -> Any:
    """A workflow for a plugin's Executor, with settings of the plugin other than its defaults."""
    chosen = plugin.ExecutorSettings(**{"status_command": "squeue", **settings})
    chosen.init_seconds_before_status_checks = 0.1  # less than users may set: it ends sooner
    return SimpleNamespace(
        dag=SimpleNamespace(get_unneeded_temp_files=lambda _: []),
        main_snakefile="Snakefile",
        workdir_init=".",
        scheduler=Scheduler(),
        executor_settings=chosen,
        executor_plugin=SimpleNamespace(common_settings=plugin.common_settings),
        remote_execution_settings=SimpleNamespace(
            max_status_checks_per_second=10,
            jobname="j.{jobid}",
            jobscript=None,
            immediate_submit=False,
            seconds_between_status_checks=1,
        ),
        resource_settings=SimpleNamespace(cores=None),
        group_settings=SimpleNamespace(local_groupid="local"),
        storage_settings=SimpleNamespace(shared_fs_usage=SharedFSUsage.all()),
        spawned_job_args_factory=SimpleNamespace(
            general_args=lambda **_: "--force", precommand=lambda **_: "", envvars=dict
        ),
    )


def executor(plugin: Any, **settings: Any) -> Any:
    """The plugin's Executor, its thread running. Its `shutdown` is to be called."""
    return plugin.Executor(workflow(plugin, **settings), logging.getLogger("slurm"))
