"""`snakemake --executor nvinx-slurm`: the same rules and hints on a cluster that Slurm runs.

Snakemake imports every executor plugin that it finds, so this one can be imported without the
extra `slurm`; only using it asks for that.
"""

from __future__ import annotations

import importlib.util

from snakemake_interface_executor_plugins.settings import CommonSettings

if importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None:
    from snakemake_executor_plugin_nvinx_slurm.executor import Executor, ExecutorSettings

    __all__ = ["Executor", "ExecutorSettings", "common_settings"]
else:
    from snakemake_executor_plugin_nvinx_slurm.missing_slurm import Executor

    __all__ = ["Executor", "common_settings"]

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)
