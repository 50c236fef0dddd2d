"""`snakemake --executor nvinx`: run a workflow on one bench and share its GPU by VRAM."""

from __future__ import annotations

from snakemake_interface_executor_plugins.settings import CommonSettings

from snakemake_executor_plugin_nvinx.executor import Executor
from snakemake_executor_plugin_nvinx.settings import ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=True,
    auto_deploy_default_storage_provider=False,
)
