"""A Snakemake that is killed frees nothing that its jobs still use, and leaves nothing behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Machine

WATCHED_S = 1.0
SNAKEFILE = """
rule alone:
    output: "alone.txt"
    resources: vram_mb=900, residency="gpu_exclusive"
    shell:
        "echo start {name} >> {log};"
        " until [ -e {gate} ]; do sleep 0.05; done;"
        " echo end {name} >> {log}; echo whole > {{output}}"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "card.log"
    path.touch()
    return path


@pytest.fixture
def snakefile(tmp_path: Path, log: Path) -> Callable[[str], str]:
    """A workflow with one job that keeps the card until the file `NAME.gate` is there."""
    return lambda name: SNAKEFILE.format(name=name, log=log, gate=tmp_path / f"{name}.gate")


def test_the_next_run_waits_for_the_job_of_a_killed_run(
    machine: Machine, tmp_path: Path, log: Path, snakefile
) -> None:
    first = machine.snakemake("first", snakefile("first"))
    assert eventually(lambda: log.read_text() == "start first\n")
    first.kill()
    first.wait()
    (orphaned,) = machine.leases()

    (tmp_path / "second.gate").touch()
    second = machine.snakemake("second", snakefile("second"))
    assert eventually(machine.requests)
    time.sleep(WATCHED_S)
    assert log.read_text() == "start first\n"
    assert machine.leases() == {orphaned}

    (tmp_path / "first.gate").touch()
    text = machine.text(second)
    assert second.returncode == 0, text
    assert log.read_text().splitlines() == [
        "start first",
        "end first",
        "start second",
        "end second",
    ]
    assert (tmp_path / "first" / "alone.txt").read_text() == "whole\n"
    assert machine.leases() == set()
    assert machine.requests() == set()


def test_the_next_run_sweeps_up_after_a_killed_run_whose_job_has_ended(
    machine: Machine, tmp_path: Path, log: Path, snakefile
) -> None:
    first = machine.snakemake("first", snakefile("first"))
    assert eventually(lambda: log.read_text() == "start first\n")
    first.kill()
    first.wait()
    (tmp_path / "first.gate").touch()
    assert eventually((tmp_path / "first" / "alone.txt").exists)
    assert eventually(lambda: not machine.family.living())

    (tmp_path / "second.gate").touch()
    text = machine.text(machine.snakemake("second", snakefile("second")))
    assert "end second" in log.read_text(), text
    assert machine.shells() == set()
    assert machine.lock_files() == set()


def test_a_run_that_waited_for_a_killed_runs_job_sweeps_up_after_it(
    machine: Machine, tmp_path: Path, log: Path, snakefile
) -> None:
    first = machine.snakemake("first", snakefile("first"))
    assert eventually(lambda: log.read_text() == "start first\n")
    first.kill()
    first.wait()
    (tmp_path / "second.gate").touch()
    second = machine.snakemake("second", snakefile("second"))
    assert eventually(machine.requests)

    (tmp_path / "first.gate").touch()
    text = machine.text(second)
    assert "end second" in log.read_text(), text
    assert machine.shells() == set()
    assert machine.lock_files() == set()
