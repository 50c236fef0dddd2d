"""The processes that a test starts, with all that they start: found by a mark, ended at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from waiting import GIVE_UP_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[1]
_MARK = "NVINX_TEST_FAMILY"  # in the environment, which children inherit
_KERNEL = 2  # the parent of the kernel's own processes


class Family:
    """Started processes and their descendants, whoever started them."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._born: list[subprocess.Popen[str]] = []

    def start(
        self, words: Sequence[object], cwd: Path, environ: Mapping[str, str], **streams: Any
    ) -> subprocess.Popen[str]:
        """Start a program in a session of its own, with no input and with one stream of output."""
        given = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **streams}
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env={**environ, _MARK: self._mark},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_mind_the_keyboard,  # noqa: PLW1509  (it takes no lock)
            **given,
        )
        self._born.append(process)
        return process

    def living(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def kill(self, spares: Callable[[psutil.Process], bool] = lambda _: False) -> None:
        """Kill all but some; what they start meanwhile as well."""
        for _ in range(50):
            doomed = [process for process in self.living() if not spares(process)]
            for process in doomed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if not doomed:
                break
            time.sleep(0.05)

    def close(self) -> None:
        """End all that live, take note of the ends, and print what nobody has read.

        Printed so that pytest shows it where a test fails.
        """
        self.kill()
        for born in self._born:
            with contextlib.suppress(ValueError, OSError):  # closed by now
                if born.stdout is not None and (left := born.stdout.read()):
                    print(f"{born.args} said:\n{left}")
            for stream in (born.stdin, born.stdout, born.stderr):
                with contextlib.suppress(BrokenPipeError):
                    if stream is not None:
                        stream.close()
            born.wait(GIVE_UP_S)

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and _environ(process).get(_MARK) == self._mark
        return False


def words(process: psutil.Process) -> list[str]:
    """Its command line; empty for one that ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def tree(pid: int) -> list[int]:
    """A process that lives, and all that it started."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return [pid, *(child.pid for child in process.children(recursive=True))]
    return []


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kill it with all that it started, and wait for its end."""
    for pid in tree(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _environ(process: psutil.Process) -> dict[str, str]:
    """Its environment; one inside `execve` shows neither this nor a command line for a moment."""
    is_kernels = process.ppid() in (0, _KERNEL)
    while not (found := process.environ()) and not is_kernels and not process.cmdline():
        time.sleep(0.001)
    return found


def environment() -> dict[str, str]:
    """This one's, without what nvinx or Nextflow may have put there."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("NVINX_", "NXF_"))}


def bare_environment(home: Path, state: Path) -> dict[str, str]:
    """Nothing of this one's but its programs and its nvinx, with a home that nothing else uses."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    searched = {Path(path).resolve() for path in sys.path}
    ours = [str(path) for path in (ROOT, ROOT / "core") if path in searched]
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "NVINX_STATE_DIR": str(state),
        "PYTHONPATH": os.pathsep.join(ours),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _mind_the_keyboard() -> None:
    """Undo what a shell does to background jobs: a process born deaf to SIGINT stays so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
