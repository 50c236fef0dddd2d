"""`nvinx run` and `nvinx lease` are started for every command, so they load little."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from waiting import GIVE_UP_S, eventually

# By top-level name, or a module of ours with all that is below it.
HEAVY = (
    "asyncio",
    "concurrent",
    "ctypes",
    "email",
    "hashlib",
    "importlib.metadata",
    "logging",
    "numpy",
    "nvinx.calibration",
    "nvinx.interference.joint_fit",
    "nvinx.interference.slowdown",
    "nvinx.metrics",
    "nvinx.overflow.model",
    "nvinx.overflow.split",
    "nvinx.runs.read",
    "nvinx.runs.report_page",
    "nvinx.runs.sampler",
    "nvinx.simulation",
    "platformdirs",
    "prometheus_client",
    "psutil",
    "pynvml",
    "random",
    "rich",
    "scipy",
    "shutil",
    "snakemake",
    "statistics",
    "tempfile",
    "traceback",
    "yaml",
)
ASKED = """
import sys
started = []
sys.addaudithook(lambda event, args: started.append(event) if event in {births} else None)
from nvinx.cli import main
try:
    main()
finally:
    print(*started, file=open("started", "w"))
    print(*sys.modules, sep="\\n", file=open("loaded", "w"))
"""
BIRTHS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


@pytest.fixture
def traced(bench):
    """Runs `nvinx WORDS`; what it loaded that is heavy, and how many processes it started.

    but: further names that it should not load. start, weight: the two halves of it, for one that
    stays; passed: descriptors that it inherits.
    """
    # Which bench files are known there is not for other tests to change.
    bench.environ["XDG_CACHE_HOME"] = str(bench.folder / "cache")

    def start(*words, passed=()):
        (bench.folder / "loaded").unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-c", ASKED.format(births=BIRTHS), *words],
            cwd=bench.folder,
            env=bench.environment(),
            timeout=GIVE_UP_S,
            pass_fds=passed,
            check=True,
        )

    def run(*words, but=()):
        start(*words)
        return weight(*but)

    def weight(*but):
        assert eventually((bench.folder / "loaded").exists)
        loaded = (bench.folder / "loaded").read_text().split()
        heavy = {
            h for h in (*HEAVY, *but) for name in loaded if name == h or name.startswith(f"{h}.")
        }
        return heavy, len((bench.folder / "started").read_text().split())

    run.start, run.weight = start, weight
    return run


@pytest.mark.parametrize("wish", [(), ("--vram", "900MB")])
def test_a_command_is_run_with_nothing_heavy_and_as_the_only_process(traced, wish):
    traced(
        "run", "--quiet", *wish, "--", "true"
    )  # so that there is a history, and the bench file known
    loaded = traced("run", "--quiet", *wish, "--", "true", but=("dataclasses",))
    assert loaded == (set(), 1)


def test_a_lease_is_taken_for_a_task_with_nothing_heavy_and_one_process_stays(traced, bench):
    start, weight = traced.start, traced.weight
    start("run", "--quiet", "--", "true")  # so that the bench file is known
    file = bench.write("state/life/task-1.lock", "")
    task = ("--waiting-pid", str(os.getpid()), "--name", "task", "--vram-gb", "0.9")
    with file.open("r+") as opened:
        fd = opened.fileno()
        start(*("lease", "acquire", "--fd", str(fd)), *task, passed=(fd,))
        assert bench.held() == {"task"}
    assert weight() == (set(), 1)


def test_the_end_of_a_task_is_judged_without_the_leases(traced, bench):
    said = bench.write("err", "CUDA out of memory")
    traced("lease", "is-oom", "--status", "1", str(said))  # so that the bench file is known
    loaded = traced("lease", "is-oom", "--status", "1", str(said), but=("nvinx.leases", "sqlite3"))
    assert loaded == (set(), 0)
