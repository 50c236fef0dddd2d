"""What Snakemake writes down of the members of a group is what each of them did."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]


def _records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """What is written down by the output's name."""
    found = workspace.path(".snakemake/metadata").iterdir()
    return {
        base64.b64decode(file.name + "==").decode(): json.loads(file.read_text()) for file in found
    }


def test_the_records_of_a_group_have_whole_commands_and_times_in_order(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("grouped_records", engine)
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text

    records = _records(workspace)
    first, second = records["first.txt"], records["second.txt"]
    assert second["shellcmd"] == "echo word 7 > second.txt"
    assert "TBD" not in first["shellcmd"]
    assert first["endtime"] - first["starttime"] > 0.1
    # a file is stamped by a clock that ticks more coarsely than the one that is read
    read, began = float(workspace.read("read.txt")), float(workspace.read("began.txt"))
    assert read - 0.1 < first["starttime"] < began + 0.1, "not when the group was begun"
    assert first["endtime"] - 0.1 < second["starttime"] <= second["endtime"] + 0.1


def test_a_member_whose_output_is_gone_ended_before_the_next_one_did(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("grouped_temp", engine)
    outcome = workspace.run()
    assert outcome.status == 0, outcome.text

    records = _records(workspace)
    first, third = records["first.txt"], records["third.txt"]
    assert first["starttime"] <= first["endtime"] < third["endtime"] - 0.4
