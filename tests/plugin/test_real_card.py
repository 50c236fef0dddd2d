"""Runs on a card that NVML shows: what is foreign is left alone, peaks are seen, a loss is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import eventually

from nvinx.history.store import SqliteHistory

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

import fake_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

GPU_LOST = 15
CARD = "gpu 0 GPU-aaaa 4194304000 0 {foreign}\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_library.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def workspace(make_workspace: MakeWorkspace, library: Path, tmp_path: Path) -> Workspace:
    made = make_workspace("real_card")
    _show(tmp_path)
    made.environ |= {
        "LD_LIBRARY_PATH": str(library),
        "NVINX_FAKE_NVML": str(tmp_path / "card"),
    }
    return made


def _show(folder: Path, foreign: int = 0, *more: str) -> None:
    folder.joinpath("card").write_text(CARD.format(foreign=foreign) + "".join(more))


def test_the_most_vram_that_a_job_used_is_remembered(workspace: Workspace) -> None:
    outcome = workspace.run()

    assert outcome.status == 0, outcome.text
    (entry,) = SqliteHistory(workspace.state_dir / "history.db").entries()
    assert (entry.run.declared_mib, entry.run.peak_mib) == (858, 1145)


def test_a_job_waits_until_other_programs_leave_it_enough_of_the_card(
    workspace: Workspace, tmp_path: Path
) -> None:
    _show(tmp_path, 700_000_000)
    process = workspace.start("out/long.txt")
    ledger = workspace.state_dir / "ledger.db"
    assert eventually(ledger.exists)
    assert not eventually(workspace.path("out/began").exists, 3)
    _show(tmp_path)
    text = workspace.wait(process)

    assert process.returncode == 0, text
    assert "card_used_by_others" in workspace.record()


def test_a_card_that_is_lost_ends_its_jobs_with_the_reason(
    workspace: Workspace, tmp_path: Path
) -> None:
    process = workspace.start("--config", "seconds=60")
    assert eventually(workspace.path("out/began").exists)
    _show(tmp_path, 0, f"fails nvmlDeviceGetHandleByIndex_v2 -1 {GPU_LOST}\n")
    text = workspace.wait(process)

    assert process.returncode == 1
    assert "nvinx: GPU 0 is gone (GPU 0: the GPU is lost" in text
    assert "embed cannot continue and is ended." in text
    assert "Traceback" not in text


def test_a_card_that_failed_for_a_moment_ends_nothing(workspace: Workspace, tmp_path: Path) -> None:
    process = workspace.start("--config", "seconds=3")
    assert eventually(workspace.path("out/began").exists)
    _show(tmp_path, 0, f"fails nvmlDeviceGetHandleByIndex_v2 -1 {GPU_LOST}\n")
    eventually(lambda: False, 0.6)
    _show(tmp_path)
    text = workspace.wait(process)

    assert process.returncode == 0, text


def test_a_card_that_appears_later_is_used(workspace: Workspace, tmp_path: Path) -> None:
    """The long job has no room on the first card, which other programs use; then there is another."""
    _show(tmp_path, 3_000_000_000)
    process = workspace.start("out/long.txt")
    assert eventually((workspace.state_dir / "ledger.db").exists)
    _show(tmp_path, 3_000_000_000, "gpu 1 GPU-bbbb 4194304000 0 0\n")
    text = workspace.wait(process)

    assert process.returncode == 0, text
    assert "nvinx: long -> GPU 1 shared" in text
