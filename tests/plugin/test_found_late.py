"""What cannot be known before the first job is looked at when its job is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

LATE = ("globbed.txt", "checked.txt")


def test_resources_may_need_what_an_earlier_job_makes(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    outcome = make_workspace("found_late", engine).run(*LATE)

    assert outcome.status == 0, outcome.text
    assert outcome.files["globbed.txt"] == "3 2 3\n"
    assert outcome.files["checked.txt"] == "3 300 30\n"


@pytest.mark.usefixtures("executor")
def test_a_job_that_turns_out_impossible_fails_like_any_other(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("found_late")
    workspace.write("large.txt", "of an earlier run\n")
    outcome = workspace.run("--keep-going", "after_large.txt", "beside.txt", "small.txt")

    assert outcome.status == 1
    assert "rule large: large needs 9.00 GB of VRAM; the largest card can give 4.00" in outcome.text
    assert outcome.text.count("Error in rule") == 1
    assert "Traceback" not in outcome.text
    assert (outcome.files["beside.txt"], outcome.files["small.txt"]) == (
        "beside\n",
        "gpu_shared 900\n",
    )
    assert outcome.files["large.txt"] == "of an earlier run\n"
    assert "after_large.txt" not in outcome.files


def test_with_keep_going_an_impossible_job_leaves_what_a_failed_one_leaves(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("found_late", engine)
    if engine == "stock":  # which knows no card that could be too small
        text = workspace.read("Snakefile").replace("echo never >", "exit 1; echo never >", 1)
        workspace.write("Snakefile", text)
    outcome = workspace.run("--keep-going", "after_large.txt", "beside.txt")

    assert outcome.status == 1
    assert outcome.text.count("Error in rule large:") == 1
    assert outcome.files == {"beside.txt": "beside\n", "large.size": "9000\n"}


@pytest.mark.usefixtures("executor")
def test_without_keep_going_it_ends_the_run(make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("found_late").run("after_large.txt")

    assert outcome.status == 1
    assert "rule large" in outcome.text
    assert "after_large.txt" not in outcome.files


@pytest.mark.usefixtures("executor")
def test_a_wish_that_grows_with_each_try_grows_no_further_than_the_card(
    make_workspace: MakeWorkspace,
) -> None:
    workspace = make_workspace("found_late")
    outcome = workspace.run("grows.txt")

    assert outcome.status == 0, outcome.text
    assert workspace.read("tries.log") == "3000\n4000\n4000\n"
    assert "grows asks for 6.00 GB in attempt 2; it gets 4.00 GB" in outcome.text


def test_a_limit_that_the_user_states_holds_for_each_try(
    engine: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace("found_late", engine)
    outcome = workspace.run("grows.txt", "--resources", "vram_mb=3500")

    assert outcome.status == 0, outcome.text
    assert workspace.read("tries.log") == "3000\n3500\n3500\n"


@pytest.mark.usefixtures("executor")
def test_a_group_gets_what_its_members_need_at_once(make_workspace: MakeWorkspace) -> None:
    outcome = make_workspace("grouped_sizes").run()

    assert outcome.status == 0, outcome.text
    assert outcome.files["third.txt"] == "3000\n"
    assert outcome.files["joined.txt"] == "2999\n"


@pytest.mark.usefixtures("executor")
def test_a_group_that_is_too_large_is_refused_before_the_first_job(
    make_workspace: MakeWorkspace,
) -> None:
    outcome = make_workspace("grouped_sizes").run("--config", "part=2500")

    assert outcome.status == 1
    assert "group fan: group[fan] needs 5.00 GB of VRAM" in outcome.text
    assert "take a rule out of the group" in outcome.text
    assert outcome.files == {}
