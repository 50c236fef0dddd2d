"""Snakemake's own test classes for executor plugins, on ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase

from snakemake_executor_plugin_nvinx import ExecutorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.usefixtures("executor", "own_folders"),
    # the tests run Snakemake in this process, and it leaves what ends with the process
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestWarning"),
]
BENCH = "hardware: {cpu_cores: 4, ram_gb: 4, vram_gb: 4, simulated: true}\n"


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bench and folders that nothing else uses; Snakemake changes to its workflow's folder."""
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "bench.yaml").write_text(BENCH)
    monkeypatch.setenv("NVINX_BENCH", str(tmp_path / "bench.yaml"))
    before = os.getcwd()
    yield
    os.chdir(before)


class TestWorkflows(TestWorkflowsLocalStorageBase):
    __test__ = True

    def get_executor(self) -> str:
        return "nvinx"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings()


class TestWorkflowsWithEverythingOff(TestWorkflows):
    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(caps="off", stage="off", trace="off", device_ids="index")
