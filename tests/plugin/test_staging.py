"""While a job holds the card, what the next one loads is read ahead; that never does any harm."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from family import bare_environment, words
from page_cache import make, resident_share
from waiting import eventually

from nvinx.staging.process import has_nixl

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from conftest import Workspace


pytestmark = pytest.mark.usefixtures("executor")

SIZE = 64_000_000
LONG = 2_000_000_000
STOPS = """
import os, signal, sys
if "nvinx.staging.reader" in sys.orig_argv:
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def workspace(make_workspace: Callable[..., Workspace]) -> Iterator[Workspace]:
    """A job that holds the card until told, and one behind it with 64 MB of input."""
    made = make_workspace("staged")
    made.write("folder/inside", "")
    make(made.path("weights.bin"), SIZE)
    yield made
    for path in made.work.glob("*.bin"):
        path.unlink()


def _start(workspace: Workspace, *args: str, **hints: Any) -> subprocess.Popen[str]:
    workspace.write("hints.json", json.dumps(hints))
    return workspace.start(*args)


def _readers(workspace: Workspace) -> list[psutil.Process]:
    return [p for p in workspace.family.living() if "nvinx.staging.reader" in words(p)]


def _end(workspace: Workspace, process: subprocess.Popen[str]) -> str:
    """Let the first job go, and the run end well."""
    workspace.write("go_on", "")
    text = workspace.wait(process)
    assert process.returncode == 0, text
    assert workspace.read("out/loads.txt") == "loaded\n"
    assert "Traceback" not in text
    assert workspace.family.living() == []
    return text


def _await_warmed(workspace: Workspace, process: subprocess.Popen[str]) -> None:
    """Until it is said that the input was read; whether it stays in memory is the kernel's choice.

    That it is in the page cache then is a test of the reader (`test_stager_contract`).
    """
    said = "nvinx: warmed loads: "
    assert eventually(lambda: said in _log(workspace) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    assert not _readers(workspace)
    assert not workspace.path("out/loads.txt").exists()


def _log(workspace: Workspace) -> str:
    """What Snakemake has written to its own log so far."""
    logs = workspace.path(".snakemake/log").glob("*.snakemake.log")
    return "".join(log.read_text(encoding="utf-8") for log in logs)


def _cold(workspace: Workspace, name: str = "weights.bin") -> None:
    if resident_share(workspace.path(name)) > 0:
        pytest.skip("this file system keeps all files in memory")


def _catch_reader(workspace: Workspace) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start with a long file to read, and a reader that stands still before it begins."""
    _write_sparse(workspace)
    workspace.write("stops/sitecustomize.py", STOPS)
    own = bare_environment(workspace.home, workspace.state_dir)["PYTHONPATH"]
    paths = [str(workspace.path("stops")), own]
    workspace.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    process = _start(workspace, nvinx_stage="long.bin")
    assert eventually(lambda: _readers(workspace)), "nothing was read"
    (reader,) = _readers(workspace)
    assert eventually(lambda: reader.status() == psutil.STATUS_STOPPED)
    return process, reader


def _write_sparse(workspace: Workspace) -> None:
    with workspace.path("long.bin").open("wb") as file:
        file.truncate(LONG)


def test_the_input_of_the_next_job_is_read_before_it_starts(workspace: Workspace) -> None:
    process = _start(workspace)
    _await_warmed(workspace, process)

    assert _end(workspace, process).count("nvinx: warmed loads: 64 MB in ") == 1


def test_files_that_a_hint_names_are_read_instead_of_the_input(workspace: Workspace) -> None:
    make(workspace.path("by name.bin"), SIZE)
    _cold(workspace)
    process = _start(workspace, nvinx_stage="'by name.bin' nowhere.bin")
    _await_warmed(workspace, process)

    assert resident_share(workspace.path("weights.bin")) == 0
    text = _end(workspace, process)
    assert text.count("nvinx: warmed loads: 64 MB in ") == 1
    assert (
        text.count(
            "nvinx: could not read ahead everything for loads: nowhere.bin is neither a file"
        )
        == 1
    )


def test_a_function_may_name_the_files(workspace: Workspace) -> None:
    make(workspace.path("other.bin"), SIZE)
    _cold(workspace)
    process = _start(workspace, named_for_input=True)
    _await_warmed(workspace, process)

    assert resident_share(workspace.path("weights.bin")) == 0
    assert "could not read ahead" not in _end(workspace, process)


@pytest.mark.parametrize(
    ("args", "hints"),
    [
        pytest.param((), {"nvinx_stage": "off"}, id="by the rule"),
        pytest.param(("--nvinx-stage", "off"), {}, id="by the option"),
        pytest.param(("--nvinx-stage", "off"), {"nvinx_stage": "weights.bin"}, id="by both"),
    ],
)
def test_turned_off_nothing_is_read(
    args: tuple[str, ...], hints: dict[str, str], workspace: Workspace
) -> None:
    process = _start(workspace, *args, **hints)
    assert eventually(workspace.path("holding").exists)
    assert not eventually(lambda: _readers(workspace), 1)

    assert "warm" not in _end(workspace, process)


def test_a_tiny_input_is_not_worth_a_word(workspace: Workspace) -> None:
    make(workspace.path("weights.bin"), 15_000_000)
    process = _start(workspace)
    assert eventually(workspace.path("holding").exists)
    assert not eventually(lambda: _readers(workspace), 1)

    assert "warm" not in _end(workspace, process)


def test_a_job_that_starts_is_read_ahead_for_no_longer(workspace: Workspace) -> None:
    process, _ = _catch_reader(workspace)
    assert "warm" not in _end(workspace, process)


def test_a_reader_that_dies_harms_nobody_and_is_told_of_once(workspace: Workspace) -> None:
    process, reader = _catch_reader(workspace)
    reader.kill()
    assert eventually(lambda: not _readers(workspace))

    assert _end(workspace, process).count("nvinx: could not read ahead everything for loads: ") == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_reader_behind(
    how: signal.Signals, workspace: Workspace
) -> None:
    process, _ = _catch_reader(workspace)
    os.killpg(process.pid, how)
    text = workspace.wait(process)

    assert "warm" not in text
    assert eventually(lambda: not workspace.family.living()), workspace.family.living()


def test_a_run_that_is_killed_leaves_no_reader_behind(workspace: Workspace) -> None:
    process, reader = _catch_reader(workspace)
    process.kill()
    process.wait()
    reader.resume()

    assert eventually(lambda: not _readers(workspace))
    workspace.write("go_on", "")
    assert eventually(lambda: not workspace.family.living())


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "nan", "much"])
def test_a_share_that_is_none_is_refused(value: str, workspace: Workspace) -> None:
    workspace.write("hints.json", "{}")
    workspace.write("weights.bin", "")
    outcome = workspace.run(f"--nvinx-stage-share={value}")

    assert outcome.status == 2
    assert f"--nvinx-stage-share: '{value}' must be above 0 and at most 1. Fix: " in outcome.text
    assert "out/holds.txt" not in outcome.files


@pytest.mark.skipif(has_nixl(), reason="NIXL is installed here")
def test_nixl_where_it_is_not_installed_is_refused_before_any_job(workspace: Workspace) -> None:
    workspace.write("hints.json", "{}")
    workspace.write("weights.bin", "")
    outcome = workspace.run("--nvinx-stage", "nixl")

    assert outcome.status == 1
    assert "--nvinx-stage nixl: NIXL is not installed here. Fix: pip install" in outcome.text
    assert "out/holds.txt" not in outcome.files


@pytest.mark.skipif(not has_nixl(), reason="NIXL is not installed here")
def test_nixl_reads_the_same(workspace: Workspace) -> None:
    process = _start(workspace, "--nvinx-stage", "nixl")
    _await_warmed(workspace, process)

    assert _end(workspace, process).count("nvinx: warmed loads: 64 MB in ") == 1
