"""What stands in for the executor where the Slurm plugin is not installed."""

from __future__ import annotations

from typing import Any

from snakemake_interface_executor_plugins.executors.base import AbstractExecutor

from snakemake_executor_plugin_nvinx.workflow_error import WorkflowError


class Executor(AbstractExecutor):
    """Refuses to run anything, and says what to install."""

    def __init__(self, workflow: Any, logger: Any) -> None:  # noqa: ARG002
        raise WorkflowError(
            "nvinx-slurm builds on snakemake-executor-plugin-slurm, which is not installed. "
            "Fix: pip install 'snakemake-executor-plugin-nvinx[slurm]'."
        )

    def run_jobs(self, jobs: list[Any]) -> None:
        """Never called."""

    def run_job(self, job: Any) -> None:
        """Never called."""

    def cancel(self) -> None:
        """Never called."""

    def shutdown(self) -> None:
        """Never called."""

    def handle_job_success(self, job: Any) -> None:
        """Never called."""

    def handle_job_error(self, job: Any) -> None:
        """Never called."""
