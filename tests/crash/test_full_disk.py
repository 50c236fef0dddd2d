"""A full state folder ends a run with one clear message, and takes no running job with it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Machine

NOTICED_S = 3
NVINX = "from nvinx.cli import main; main()"
BENCH = "hardware: {gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
PAGE = b"0" * 4096
SNAKEFILE = """
rule all:
    input: "one.txt", "two.txt", "later.txt"

rule hold:
    output: "{{name}}.txt"
    wildcard_constraints: name="one|two"
    priority: 10
    resources: {holding}
    shell:
        "touch {{wildcards.name}}.begun;"
        " until [ -e {{wildcards.name}}.gate ]; do sleep 0.05; done;"
        " echo whole > {{output}}"

rule later:
    input: {wanted}
    output: "later.txt"
    resources: {later}
    shell: "touch later.begun; echo new > {{output}}"
"""
ON_THE_CARD = SNAKEFILE.format(holding="vram_mb=900", wanted="[]", later="gpu=1")
ON_THE_CPU = SNAKEFILE.format(holding="mem_mb=10", wanted="['one.txt']", later="mem_mb=10")


@pytest.fixture
def small_machine(machine: Machine, small_disk: Path) -> Machine:
    """A machine whose state folder lies on a disk of 256 KiB."""
    machine.state = small_disk / "state"
    return machine


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


def _fill(disk: Path, *, but_pages: int = 0) -> None:
    """Write until the disk is full, then leave so many pages of it free."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(PAGE)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - but_pages * len(PAGE))


@contextlib.contextmanager
def _never_room_again(disk: Path) -> Iterator[None]:
    """Fill the disk and hold all of its files open, so that a file that is deleted frees no page."""
    with contextlib.ExitStack() as held:
        for path in disk.rglob("*"):
            if path.is_file():
                held.enter_context(path.open("rb"))
        _fill(disk)
        yield


def _begun(work: Path) -> set[str]:
    return {path.stem for path in work.glob("*.begun")}


def _run_while_the_disk_fills(machine: Machine, disk: Path, work: Path) -> str:
    """Fill the disk while two jobs run on the card and one waits; then let them end."""
    run = machine.snakemake("run", ON_THE_CARD)
    assert eventually(lambda: _begun(work) == {"one", "two"})
    assert eventually(machine.requests)
    with _never_room_again(disk):
        stopped = eventually(lambda: run.poll() is not None, NOTICED_S)
        assert not stopped, "it left running jobs alone"
        (work / "one.gate").touch()
        (work / "two.gate").touch()
        text = machine.text(run)
    assert run.returncode == 1, text
    return text


@pytest.mark.parametrize("free_pages", [0, 8])
def test_a_run_does_not_begin_when_its_state_folder_is_full(
    small_machine: Machine, small_disk: Path, work: Path, free_pages: int
) -> None:
    _fill(small_disk, but_pages=free_pages)
    run = small_machine.snakemake("run", ON_THE_CARD)
    text = small_machine.text(run)

    assert run.returncode == 1, text
    assert text.count(f"state folder {small_machine.state}") == 1, text
    assert "Traceback" not in text
    assert _begun(work) == set()


def test_running_jobs_come_to_their_end_when_the_state_folder_fills_up(
    small_machine: Machine, small_disk: Path, work: Path
) -> None:
    text = _run_while_the_disk_fills(small_machine, small_disk, work)

    assert f"state folder {small_machine.state}" in text, text
    assert (work / "one.txt").read_text() == (work / "two.txt").read_text() == "whole\n"
    assert _begun(work) == {"one", "two"}


def test_a_state_folder_that_fills_up_is_told_in_one_message(
    small_machine: Machine, small_disk: Path, work: Path
) -> None:
    text = _run_while_the_disk_fills(small_machine, small_disk, work)

    assert "Traceback" not in text, text
    assert text.count("state folder") == 1, text


def test_what_ran_to_its_end_on_a_full_disk_is_complete_to_the_next_run(
    small_machine: Machine, small_disk: Path, work: Path
) -> None:
    _run_while_the_disk_fills(small_machine, small_disk, work)
    (small_disk / "filler").unlink()

    again = small_machine.snakemake("run", ON_THE_CARD)
    text = small_machine.text(again)
    assert again.returncode == 0, text
    assert "rule hold" not in text, "it was run a second time"


def _run_a_job_that_cannot_be_started(machine: Machine, disk: Path, work: Path) -> tuple[int, str]:
    """Fill the disk while CPU jobs run; the next one needs a page of the state folder."""
    work.joinpath("later.txt").write_text("old\n")
    os.utime(work / "later.txt", (0, 0))
    run = machine.snakemake("run", ON_THE_CPU)
    assert eventually(lambda: _begun(work) == {"one", "two"})
    with _never_room_again(disk):
        (work / "two.gate").touch()
        (work / "one.gate").touch()
        text = machine.text(run)
    assert _begun(work) == {"one", "two"}, text
    assert (work / "one.txt").read_text() == (work / "two.txt").read_text() == "whole\n"
    return run.returncode, text


def test_a_job_that_a_full_disk_keeps_from_starting_is_told_in_one_message(
    small_machine: Machine, small_disk: Path, work: Path
) -> None:
    status, text = _run_a_job_that_cannot_be_started(small_machine, small_disk, work)

    assert status == 1, text
    assert text.count(f"state folder {small_machine.state}") == 1, text
    assert "Traceback" not in text, text


def test_a_job_that_a_full_disk_keeps_from_starting_keeps_its_earlier_output(
    small_machine: Machine, small_disk: Path, work: Path
) -> None:
    _, text = _run_a_job_that_cannot_be_started(small_machine, small_disk, work)

    assert (work / "later.txt").exists(), text
    assert (work / "later.txt").read_text() == "old\n"


@pytest.mark.parametrize("status", [0, 7])
def test_a_command_whose_state_folder_fills_up_keeps_its_exit_status(
    small_machine: Machine, small_disk: Path, work: Path, status: int
) -> None:
    work.joinpath("nvinx.yaml").write_text(BENCH)
    fill = f"cat /dev/zero > '{small_disk}/filler' 2>/dev/null; echo words; exit {status}"
    run = small_machine.start(["-c", NVINX, "run", "--", "bash", "-c", fill], work)
    text = small_machine.text(run)

    assert run.returncode == status, text
    assert "words\n" in text
    assert "nvinx: warning: state folder" in text, text
    assert "Traceback" not in text, text
