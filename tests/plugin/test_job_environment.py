"""What a job is told about where it runs: in its environment, and by `nvinx.placement`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

pytestmark = pytest.mark.usefixtures("executor")

PLACEMENTS = {
    "whole": "gpu_exclusive",
    "mb": "gpu_shared",
    "text": "gpu_shared",
    "none": "cpu_only",
    "spills": "gpu_ram_overflow",
    "falls_back": "cpu_only",
}
CARD_MB = 4000


def _reports(workspace: Workspace, kind: str) -> dict[str, dict[str, Any]]:
    outcome = workspace.run(f"in_{kind}")
    assert outcome.status == 0, outcome.text
    found = workspace.path(f"out/{kind}").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in found}


@pytest.mark.parametrize("kind", ["shell", "script", "run"])
def test_a_job_knows_its_placement(kind: str, make_workspace: Callable[..., Workspace]) -> None:
    reports = _reports(make_workspace("placed"), kind)
    assert len(reports) == (2 if kind == "run" else 6)
    for hint, report in reports.items():
        told, asked, placement = report["told"], report["asked"], PLACEMENTS[hint]
        assert told["NVINX_PLACEMENT"] == asked["residency"] == placement, hint
        assert told["NVINX_JOB"], hint
        assert told["NVINX_JOB"] == asked["job"], hint
        if placement == "cpu_only":
            _is_kept_off_the_card(told, asked)
        else:
            _is_on_the_card(told, asked)
        _has_its_share(hint, told, asked)
    jobs = [report["told"]["NVINX_JOB"] for report in reports.values()]
    assert len(set(jobs)) == len(jobs), "two jobs carry the same name"


def _is_kept_off_the_card(told: dict[str, Any], asked: dict[str, Any]) -> None:
    assert told["CUDA_VISIBLE_DEVICES"] == ""
    assert not told["NVINX_VRAM_MB"]
    assert asked["device"] == "cpu"


def _is_on_the_card(told: dict[str, Any], asked: dict[str, Any]) -> None:
    assert told["CUDA_VISIBLE_DEVICES"] == "0"
    assert told["NVINX_SIMULATED"] == "1"
    assert asked["simulated"] is True
    assert asked["device"] == "cuda:0"
    assert int(told["NVINX_VRAM_MB"]) == asked["vram_mb"]


def _has_its_share(hint: str, told: dict[str, Any], asked: dict[str, Any]) -> None:
    limits = json.loads(told["NVINX_MAX_MEMORY"] or "{}")
    assert limits == asked["max_memory"]
    if hint in ("mb", "text"):
        assert told["NVINX_VRAM_MB"] == "900"
    elif hint == "whole":
        assert CARD_MB * 0.95 <= asked["vram_mb"] <= CARD_MB
    elif hint == "spills":
        assert asked["vram_mb"] <= CARD_MB
        assert asked["device_map"] == "auto"
        assert 0 < limits["0"] <= CARD_MB * 1e6
        assert 0 < limits["cpu"] <= 8000 * 1e6
        assert limits["0"] + limits["cpu"] >= 6000 * 1e6, "the model does not fit in both"
