"""A command run as the process that a lease belongs to."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from nvinx.host.counter import Held

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_LOCK_FD = 243  # high, since scripts use the low ones
_PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
_OF_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


def run(command: Sequence[str], held: Held, *, stderr: int | None = None) -> int:
    """Run the command with the lease's environment and lock; its exit status as a shell gives it.

    Signals are passed on, but for those that the keyboard gave the command already. stderr: a
    descriptor to write to instead of this process's own. What the command leaves behind keeps the
    lease.
    """
    environ = {**os.environ, **held.exports}
    with _locked(held.lock) as passed:
        try:
            child = subprocess.Popen(command, env=environ, pass_fds=passed, stderr=stderr)
        except FileNotFoundError:
            return NOT_FOUND
        except OSError:
            return NOT_EXECUTABLE
    with _passing_signals_on(child):
        status = child.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _locked(lock: Path | None) -> Iterator[tuple[int, ...]]:
    """The lease's lock on a descriptor that the command inherits; none on the CPU."""
    if lock is None:
        yield ()
        return
    fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.dup2(fd, _LOCK_FD)
    finally:
        os.close(fd)
    try:
        yield (_LOCK_FD,)
    finally:
        os.close(_LOCK_FD)


@contextmanager
def _passing_signals_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number not in _OF_KEYBOARD or not _is_at_keyboard():
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_at_keyboard() -> bool:
    """Whether the terminal's keyboard signals go to this process group, and so to the command."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
