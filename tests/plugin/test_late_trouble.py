"""What goes wrong after the first job has started ends the run clearly, or does not go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")


def test_a_mistake_that_shows_when_a_job_starts_ends_the_run(make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("unformattable").run()

    assert outcome.status == 1
    assert "undefined" in outcome.text
    assert outcome.files == {}


def test_hints_may_depend_on_the_size_of_a_file_that_is_yet_to_be_made(
    make_workspace: MakeWorkspace,
) -> None:
    outcome = make_workspace("sized_by_input").run()

    assert outcome.status == 0, outcome.text
    assert outcome.files["spills.txt"] == "gpu_ram_overflow\n"
    assert outcome.files["shares.txt"] == "gpu_shared 500\n"


def test_a_hint_that_a_group_cannot_know_in_time_is_refused(make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("grouped_late").run()

    assert outcome.status == 1
    assert "rule second: vram_mb" in outcome.text
    assert "Fix: write a number" in outcome.text
    assert outcome.files == {}


def test_a_run_that_ends_leaves_other_runs_their_shells(make_workspace: MakeWorkspace) -> None:
    one = make_workspace("paused")
    process = one.start()
    assert eventually(one.path("pausing").exists)
    two = make_workspace("paused", name="two")
    two.write("go_on", "")
    other = two.run()
    one.write("go_on", "")
    text = one.wait(process)

    assert (other.status, process.returncode) == (0, 0), text
    assert one.read("after.txt") == "after\n"


def test_a_limit_on_jobs_that_hides_some_from_nvinx_is_told(make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("sized_by_input").run("--jobs", "2")

    assert outcome.status == 0
    assert "Fix: give --jobs unlimited" in outcome.text


def test_a_run_that_failed_ends_with_what_failed_and_where_to_look(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("plain")
    workspace.write(
        "workflow/Snakefile",
        "rule call:\n    output: 'x'\n    resources: gpu=1\n    shell: 'exit 3'\n",
    )
    process = workspace.start_plainly("--executor", "nvinx", "--cores", "2")
    text = workspace.wait(process)
    assert process.returncode == 1, text
    assert "nvinx: 1 job failed, 0 done, in " in text
    assert "nvinx: call failed on GPU 0 alone after " in text
    assert text.index("See: nvinx explain call, nvinx jobs") > text.index("Error in rule call")
