"""An urgent job gets the card of one that agreed; that one comes back, and has not failed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from waiting import eventually

from nvinx.runs import read as recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workspace

    MakeWorkspace = Callable[..., Workspace]

pytestmark = pytest.mark.usefixtures("executor")

BENCH = "hardware: {cpu_cores: 4, ram_gb: 8, vram_gb: 4, simulated: true}\n"
LONG = """
rule all:
    input: "long.txt", {more}


rule long:
    output: "long.txt"
    resources: gpu=1, runtime=1000, preemptible="{how}"
    shell:
        \"\"\"
        test ! -e {{output}}
        {traps}
        echo "run $NVINX_PREEMPTED $NVINX_ATTEMPT" >> log
        echo begun > {{output}}
        {work}
        echo done >> {{output}}
        \"\"\"
"""
URGENT = """
rule first:
    output: "first.txt"
    shell: "while ! grep -q run log; do sleep 0.05; done; touch {output}"


rule urgent:
    input: "first.txt"
    output: "urgent.txt"
    priority: 20
    resources: gpu=1, runtime=1
    shell: "cp log urgent.txt"
"""
UNTIL_URGENT = "while test ! -e urgent.txt; do sleep 0.05; done"


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    made = make_workspace("plain")
    made.write("nvinx.yaml", BENCH)
    return made


def _write(workspace: Workspace, how: str, work: str, traps: str = ":") -> None:
    """traps: what the long job sets before anybody may ask for its card."""
    long = LONG.format(how=how, work=work, traps=traps, more='"urgent.txt"')
    workspace.write("Snakefile", long + URGENT)


def test_it_is_ended_and_comes_back_without_using_up_a_retry(workspace: Workspace) -> None:
    _write(workspace, "requeue", UNTIL_URGENT, traps="trap '' TERM")
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status == 0, outcome.text
    assert workspace.read("log").splitlines() == ["run 0 1", "run 1 1"]
    assert workspace.read("urgent.txt") == "run 0 1\n"
    assert workspace.read("long.txt") == "begun\ndone\n"
    assert "long ends, to give up its card to urgent" in outcome.text
    assert "Error in rule" not in outcome.text
    assert "was killed" not in outcome.text
    assert '"outcome": "preempted"' in workspace.record()
    assert '"event": "preempted"' in workspace.record()
    run = recorded.last(workspace.work)
    assert [job.end_words for job in run.jobs.values() if job.name == "long"] == [
        "preempted for urgent",
        "",
    ]
    assert "nvinx: 3 jobs in" in outcome.text


def test_it_is_told_and_ends_with_any_status(workspace: Workspace) -> None:
    """In a process of its own, which may not try it again in the time that it has to end."""
    saves = "trap 'echo saved >> log; exit 3' USR2"
    _write(workspace, "signal:USR2@3000", UNTIL_URGENT, traps=saves)
    text = workspace.read("Snakefile")
    for file in (">> log", "-e urgent.txt"):
        text = text.replace(file, f"{file[:3]}{workspace.path(file[3:])}")
    in_process = '    shadow: "minimal"\n    retries: 1\n    resources: gpu=1, runtime=1000'
    text = text.replace("    resources: gpu=1, runtime=1000", in_process)
    workspace.write("Snakefile", text)
    outcome = workspace.run("--nvinx-preempt", "20")
    assert outcome.status == 0, outcome.text
    assert workspace.read("log").splitlines() == ["run 0 1", "saved", "run 1 1"]


@pytest.mark.parametrize("options", [(), ("--nvinx-preempt", "off"), ("--nvinx-preempt", "21")])
def test_it_stays_where_nobody_may_ask_for_it(
    workspace: Workspace, options: tuple[str, ...]
) -> None:
    _write(workspace, "requeue", "while test ! -e first.txt; do sleep 0.05; done; sleep 1")
    outcome = workspace.run(*options)
    assert outcome.status == 0, outcome.text
    assert workspace.read("log").splitlines() == ["run 0 1"]


def test_what_it_wrote_is_kept_where_the_user_keeps_such(workspace: Workspace) -> None:
    _write(workspace, "requeue", UNTIL_URGENT)
    text = workspace.read("Snakefile").replace("cp log", "cp long.txt")
    workspace.write("Snakefile", text)
    outcome = workspace.run("--nvinx-preempt", "20", "--keep-incomplete")
    assert outcome.status == 0, outcome.text
    assert workspace.read("urgent.txt") == "begun\n"


def test_between_two_runs_the_owner_answers(make_workspace: MakeWorkspace) -> None:
    long, urgent = make_workspace("plain", name="one"), make_workspace("plain", name="two")
    long.write("nvinx.yaml", BENCH)
    urgent.write("nvinx.yaml", BENCH)
    done = urgent.path("urgent.txt")
    work = f"while test ! -e {done}; do sleep 0.05; done"
    long.write("Snakefile", LONG.format(how="requeue", work=work, traps=":", more=""))
    urgent.write(
        "Snakefile",
        "rule urgent:\n    output: 'urgent.txt'\n    priority: 1\n"
        "    resources: gpu=1, runtime=1\n    shell: 'touch {output}'\n",
    )
    first = long.start()
    assert eventually(long.path("log").exists)
    outcome = urgent.run("--nvinx-preempt", "1")
    assert outcome.status == 0, outcome.text
    text = long.wait(first)
    assert first.returncode == 0, text
    assert long.read("log").splitlines() == ["run 0 1", "run 1 1"]
    assert "long ends, to give up its card to urgent" in text


def _stopped_meanwhile(workspace: Workspace, traps: str, number: int) -> str:
    """What a run prints that gets a signal while its job is to give up the card, and fails."""
    work = "while :; do sleep 0.05; done"
    _write(workspace, "signal:USR1@3000", work, traps=f"{traps} trap 'touch told' USR1")
    process = workspace.start("--nvinx-preempt", "20")
    assert eventually(workspace.path("told").exists)
    process.send_signal(number)
    text = workspace.wait(process)
    assert process.returncode != 0, text
    return text


def test_a_run_that_is_stopped_meanwhile_ends_and_leaves_nothing(workspace: Workspace) -> None:
    _stopped_meanwhile(workspace, "", signal.SIGTERM)
    assert not workspace.path("long.txt").exists()


def test_nobody_is_suspected_of_having_killed_what_ctrl_c_has(workspace: Workspace) -> None:
    assert "was killed" not in _stopped_meanwhile(workspace, "trap '' TERM INT;", signal.SIGINT)


@pytest.mark.parametrize(
    ("Snakefile", "why"),
    [
        (
            'rule one:\n    output: "one.txt"\n    group: "g"\n'
            '    resources: gpu=1, preemptible="requeue"\n    shell: "touch {output}"\n',
            "rule one: preemptible='requeue': is not possible, as jobs of a group hold one lease",
        ),
        (
            'rule two:\n    input: "pipe"\n    output: "two.txt"\n    shell: "cat {input} > {output}"\n'
            'rule one:\n    output: pipe("pipe")\n    resources: gpu=1, preemptible="requeue"\n'
            '    shell: "echo > {output}"\n',
            "rule one: preemptible='requeue': is not possible, as jobs that share pipes or services",
        ),
        (
            'rule one:\n    output: "one.txt"\n    resources: gpu=1, preemptible="perhaps"\n'
            '    shell: "touch {output}"\n',
            "not a way to give up a card",
        ),
    ],
    ids=["group", "pipe", "misspelt"],
)
def test_what_cannot_be_preempted_is_refused_with_the_reason(
    workspace: Workspace,
    Snakefile: str,  # noqa: N803
    why: str,
) -> None:
    workspace.write("Snakefile", Snakefile)
    outcome = workspace.run()
    assert outcome.status != 0
    assert why in outcome.text, outcome.text


def test_a_default_that_a_group_cannot_follow_is_left_out_and_told(workspace: Workspace) -> None:
    workspace.write(
        "Snakefile",
        'rule two:\n    input: "one.txt"\n    output: "two.txt"\n    group: "g"\n'
        '    resources: gpu=1\n    shell: "cp {input} {output}"\n'
        'rule one:\n    output: "one.txt"\n    group: "g"\n    shell: "touch {output}"\n',
    )
    outcome = workspace.run("--default-resources", "preemptible=requeue")
    assert outcome.status == 0, outcome.text
    assert outcome.text.count("is not preempted, as jobs of a group hold one lease") == 1
