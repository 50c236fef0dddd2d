"""With run times declared, the whole workflow is looked at before a job takes card or CPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

pytestmark = pytest.mark.usefixtures("executor")


@pytest.mark.parametrize(("look_ahead", "on_cpu"), [("on", ["heavy[a]"]), ("off", [])])
def test_the_job_goes_to_the_cpu_by_which_the_whole_ends_soonest(
    make_workspace: Callable[..., Workspace], look_ahead: str, on_cpu: list[str]
) -> None:
    workspace = make_workspace("ahead")
    outcome = workspace.run("--nvinx-look-ahead", look_ahead)
    assert outcome.status == 0, outcome.text
    assert re.findall(r"(heavy\S+)[^\n]*CPU", outcome.text) == on_cpu, outcome.text


@pytest.mark.alone  # a place is kept for two seconds only
@pytest.mark.parametrize(
    ("look_ahead", "order"),
    [("on", ["first", "long", "short"]), ("off", ["first", "short", "long"])],
)
def test_the_card_is_kept_for_the_job_behind_the_one_that_ends(
    make_workspace: Callable[..., Workspace], look_ahead: str, order: list[str]
) -> None:
    workspace = make_workspace("behind")
    outcome = workspace.run("--nvinx-look-ahead", look_ahead)
    assert outcome.status == 0, outcome.text
    assert workspace.read("order.txt").split() == order, outcome.text
