"""A rule whose jobs need more VRAM the larger their input is declares nothing, and soon shares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.history.store import SqliteHistory
from nvinx.runs import read as recorded
from nvinx.runs import trace

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

import fake_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_library.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def workspace(make_workspace: MakeWorkspace, library: Path, tmp_path: Path) -> Workspace:
    made = make_workspace("learns_by_size")
    (tmp_path / "card").write_text("gpu 0 GPU-aaaa 4194304000 0 0\n")
    made.environ |= {
        "LD_LIBRARY_PATH": str(library),
        "NVINX_FAKE_NVML": str(tmp_path / "card"),
    }
    return made


def most_at_once(workspace: Workspace) -> int:
    jobs = recorded.read(trace.latest(workspace.work)).jobs.values()
    return max(sum(o.started_s <= job.started_s < o.ended_s for o in jobs) for job in jobs)


def test_the_first_runs_are_alone_and_a_later_one_has_jobs_side_by_side(
    workspace: Workspace,
) -> None:
    side_by_side, placed = [], []
    for _ in range(3):
        outcome = workspace.run("--forceall", cores=6)
        assert outcome.status == 0, outcome.text
        side_by_side.append(most_at_once(workspace))
        placed.append(workspace.read("tries.txt").splitlines())
        workspace.path("tries.txt").unlink()

    assert side_by_side[2] > side_by_side[0]
    first = [line.split() for line in placed[0]]
    assert [int(size) for _, size, _ in first[:4]] == [10000, 20000, 30000, 40000]
    assert {where for where, _, _ in first[:4]} == {"gpu_exclusive"}
    assert {line.split()[0] for line in placed[2]} == {"gpu_shared"}
    assert {line.split()[2] for line in placed[0]} == {"false"}


def test_each_run_is_remembered_with_the_bytes_of_its_input(workspace: Workspace) -> None:
    assert workspace.run("out/3.txt").status == 0

    (entry,) = SqliteHistory(workspace.state_dir / "history.db").entries()
    assert (entry.run.size, entry.run.peak_mib, entry.run.declared_mib) == (30000.0, 382, None)


def test_a_rule_may_measure_its_input_itself(workspace: Workspace) -> None:
    assert workspace.run("out/measured2.txt").status == 0

    (entry,) = SqliteHistory(workspace.state_dir / "history.db").entries()
    assert entry.run.size == 700.0


def test_the_jobs_of_a_group_hold_one_share_that_cannot_be_learned(workspace: Workspace) -> None:
    outcome = workspace.run("out/grouped.txt")

    assert outcome.status == 1
    assert "rule grouped: vram_mb='auto': cannot be learned for the jobs of a gr" in outcome.text


def test_a_plan_expects_the_time_and_the_vram_of_each_jobs_own_input(workspace: Workspace) -> None:
    seen = [
        PastRun(
            name=f"fold[{n}]",
            kind=_kind(workspace),
            profile="fold",
            residency=Residency.GPU_SHARED,
            ran_s=60.0 * n,
            card="Test card 0",
            peak_mib=100 + 100 * n,
            size=10_000.0 * n,
        )
        for n in (1, 2, 3, 4, 5, 6)
    ]
    SqliteHistory(workspace.state_dir / "history.db").add(seen, "w")
    outcome = workspace.run("--nvinx-workload", "plan.json")

    assert outcome.status == 0, outcome.text
    tasks = {t["name"]: t for t in json.loads(workspace.read("plan.json"))["jobs"]}
    assert tasks["fold[1]"]["duration_s"] == pytest.approx(60, rel=0.1)
    assert tasks["fold[6]"]["duration_s"] == pytest.approx(360, rel=0.1)
    assert tasks["fold[1]"]["vram_mb"] < tasks["fold[6]"]["vram_mb"] / 2


def _kind(workspace: Workspace) -> str:
    """Under which name the rule is remembered, from a run of one job."""
    assert workspace.run("out/1.txt").status == 0
    history = SqliteHistory(workspace.state_dir / "history.db")
    (entry,) = history.entries()
    history.clear()
    workspace.path("out/1.txt").unlink()
    return entry.run.kind
