"""A real Slurm for the tests that ask for one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aside
import pytest
from cluster import Cluster
from programs import missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def real_slurm() -> None:
    absent, reason = missing(), ""
    if absent:
        reason = f"no {', '.join(absent)}: `apt-get install slurm-wlm munge` brings a real Slurm"
    elif not aside.is_here():
        reason = "no snakemake-executor-plugin-slurm: `make test` and the extra `slurm` bring it"
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def running(real_slurm: None) -> Iterator[Cluster]:
    with short_folder() as folder, Cluster(folder / "slurm") as cluster:
        yield cluster


@pytest.fixture
def short_path(real_slurm: None) -> Iterator[Path]:
    """A folder for a cluster; that of `tmp_path` is too long for Slurm's sockets."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """Two idle nodes, `node1` and `node2`, each with a card of four shards and eight CPUs."""
    yield running
    running.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    running = getattr(item, "funcargs", {}).get("running")
    if running is not None and report.failed:
        report.sections.append(("Slurm", running.logs()))
    return report
