"""Ending all processes of a job, wherever they went."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from nvinx.host import proc
from nvinx.leases.markers import Markers

if TYPE_CHECKING:
    from collections.abc import Collection

    import psutil

GRACE_S = 5.0
_POLL_S = 0.05
_STOP_POLL_S = 0.002


def end(tokens: Collection[str], *, grace_s: float = GRACE_S) -> int:
    """TERM, then after `grace_s` seconds KILL, every process that carries one of the tokens.

    Returns how many had to be killed. Processes are found by marker and by descent, so a
    double-forked child is ended too. None is waited for: its exit status belongs to its parent,
    which may be a thread of this process that needs it to tell a killed job from a finished one.
    """
    for process in _family(tokens):
        with contextlib.suppress(*_gone()):
            process.terminate()
            process.resume()  # one that is stopped would never hear of it
    deadline = time.monotonic() + grace_s
    while (stubborn := _family(tokens)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if stubborn:
        stop(tokens)  # so that none of them acts on the end of another, or starts one more
        stubborn = _family(tokens)
    for process in stubborn:
        with contextlib.suppress(*_gone()):
            process.kill()
    return len(stubborn)


def are_there(tokens: Collection[str]) -> bool:
    """Whether a process of these jobs lives."""
    return bool(_family(tokens))


def pids(tokens: Collection[str]) -> tuple[int, ...]:
    """All living processes of these jobs."""
    return tuple(sorted(process.pid for process in _family(tokens)))


def stop(tokens: Collection[str], *, within_s: float = GRACE_S) -> bool:
    """Stop every process of these jobs, also those that they start meanwhile (SIGSTOP).

    Whether all stood still in time; those that did then do so in any case.
    """
    deadline = time.monotonic() + within_s
    while moving := [process for process in _family(tokens) if not _is_stopped(process)]:
        if time.monotonic() > deadline:
            return False
        for process in moving:
            with contextlib.suppress(*_gone()):
                process.suspend()
        time.sleep(_STOP_POLL_S)
    return True


def go_on(tokens: Collection[str]) -> None:
    """Let all processes of these jobs run again (SIGCONT)."""
    for process in _family(tokens):
        with contextlib.suppress(*_gone()):
            process.resume()


def _is_stopped(process: psutil.Process) -> bool:
    import psutil

    with contextlib.suppress(*_gone()):
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    return True


def tell(tokens: Collection[str], number: int, also: Collection[int] = ()) -> int:
    """Send a signal to those of their processes that have a handler for it; returns how many.

    The others, such as shells that wait for a program, would die of it. also: processes that are
    theirs without showing it.
    """
    pids = {process.pid for process in _family(tokens)} | set(also)
    told = 0
    for pid in pids:
        if proc.catches(pid, number):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
                told += 1
    return told


def _family(tokens: Collection[str]) -> list[psutil.Process]:
    """The living processes of these jobs; one that only waits to be collected is dead."""
    import psutil

    found: dict[int, psutil.Process] = {}
    for pid in Markers().pids(set(tokens)):
        with contextlib.suppress(*_gone()):
            process = psutil.Process(pid)
            for relative in (process, *process.children(recursive=True)):
                if relative.status() != psutil.STATUS_ZOMBIE:
                    found[relative.pid] = relative
    return list(found.values())


def _gone() -> tuple[type[Exception], ...]:
    import psutil

    return psutil.NoSuchProcess, psutil.AccessDenied
