"""The example of learned VRAM: a rule that declares none has more jobs side by side each run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import GIVE_UP_S

from nvinx.history.store import SqliteHistory
from nvinx.runs import read as recorded
from nvinx.runs import trace

EXAMPLE = Path(__file__).parents[2] / "example_workflows" / "learned_vram"
COMMAND = (
    "--cores 8 --executor nvinx --jobs unlimited --nvinx-bench nvinx.simulated.yaml --forceall"
)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("results"))


def run(folder):
    """One run, and how many of its jobs were on the card at once at most."""
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        [sys.executable, "-m", "snakemake", *COMMAND.split()],
        cwd=folder,
        env={**os.environ, "PATH": python, "NVINX_STATE_DIR": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    jobs = recorded.read(trace.latest(folder)).jobs.values()
    folds = [job for job in jobs if job.name.startswith("fold")]
    return max(sum(o.started_s <= job.started_s < o.ended_s for o in folds) for job in folds)


def test_the_third_run_has_more_jobs_side_by_side_than_the_first(folder):
    first, _, third = (run(folder) for _ in range(3))

    assert third > first
    seen = [e.run for e in SqliteHistory(folder / "state" / "history.db").entries() if e.run.size]
    assert {run.size: run.peak_mib for run in seen if run.size in (100, 1600)} == {
        100: 65,
        1600: 2254,
    }


def test_the_page_types_the_command_that_was_tried():
    assert COMMAND in (EXAMPLE / "README.md").read_text()
