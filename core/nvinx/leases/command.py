"""A command run as the process that a lease belongs to."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from nvinx.host.plain_files import open_plain
from nvinx.jobs.outcome import TAIL_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from nvinx.leases.client import HeldLease

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_LOCK_FD = 243  # high, since scripts use the low ones
_LOOK_UP_S = 1.0
_LAST_WORDS_S = 1.0
_PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
_OF_USER = (signal.SIGUSR1, signal.SIGUSR2)
_OF_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


class Ended(Struct, frozen=True):
    """How a command ended: its exit status as a shell gives it, and its last words.

    was_told: whether it was passed a signal that ends programs, by us or by the keyboard.
    """

    status: int
    words: list[str]
    was_told: bool = False


def run(
    command: Sequence[str],
    held: HeldLease,
    *,
    listen: bool = False,
    told: Callable[[], None] = lambda: None,
) -> Ended:
    """Run the command with the lease's environment and lock.

    If we listen, its words are the last it wrote to stderr and to stdout, and passed on by us.
    Signals are passed on, but for those that the keyboard gave the command already; told: called
    when it got one that ends programs. What the command leaves behind keeps the lease.
    """
    environ = {**os.environ, **held.exports}
    with _Relay(told) as relay:
        with _locked(held.lock) as passed:
            try:
                child = subprocess.Popen(
                    command,
                    env=environ,
                    pass_fds=passed,
                    stderr=subprocess.PIPE if listen else None,
                    stdout=subprocess.PIPE if listen else None,
                )
            except FileNotFoundError:
                return Ended(NOT_FOUND, [])
            except OSError:
                return Ended(NOT_EXECUTABLE, [])
        relay.to(child)
        pipes = ((child.stderr, sys.stderr), (child.stdout, sys.stdout))
        ears = [_Ear(pipe, ours.buffer) for pipe, ours in pipes if pipe is not None]
        status = _end_of(child)
    words = [ear.words() for ear in ears]
    return Ended(status if status >= 0 else 128 - status, words, relay.was_told)


class _Ear:
    """Passes on what comes through a pipe, and remembers the end of it."""

    def __init__(self, pipe: IO[bytes], passed_to: IO[bytes]) -> None:
        self._pipe, self._passed_to = pipe, passed_to
        self._heard = b""
        self._thread = threading.Thread(target=self._listen, name="nvinx-ear", daemon=True)
        self._thread.start()

    def words(self) -> str:
        """The last words; what the command left behind may hold the pipe open, so not for ever."""
        self._thread.join(_LAST_WORDS_S)
        return self._heard.decode(errors="replace")

    def _listen(self) -> None:
        while piece := os.read(self._pipe.fileno(), TAIL_BYTES):
            self._heard = (self._heard + piece)[-TAIL_BYTES:]
            self._passed_to.write(piece)
            self._passed_to.flush()
        self._pipe.close()


@contextmanager
def _locked(lock: Path | None) -> Iterator[tuple[int, ...]]:
    """The lease's lock on a descriptor that the command inherits; none on the CPU.

    None either where its file has gone: we hold the lock for as long as the command runs.
    """
    try:
        fd = None if lock is None else open_plain(lock)
    except OSError:
        fd = None
    if fd is None:
        yield ()
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.dup2(fd, _LOCK_FD)
    finally:
        os.close(fd)
    try:
        yield (_LOCK_FD,)
    finally:
        os.close(_LOCK_FD)


def _end_of(child: subprocess.Popen[bytes]) -> int:
    """Wait, but look up now and then: a signal that comes just before a wait would not wake it."""
    while True:
        try:
            return child.wait(timeout=_LOOK_UP_S)
        except subprocess.TimeoutExpired:
            continue


class _Relay:
    """Passes this process's signals on to its child; those that come too early wait for it."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}
        self.was_told = False

    def __enter__(self) -> _Relay:
        self._before = {number: signal.signal(number, self._pass_on) for number in _PASSED_ON}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._early:
            child.send_signal(number)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number not in _OF_USER:
            self.was_told = True
            self._told()
        if number in _OF_KEYBOARD and _is_at_keyboard():
            return
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)


def _is_at_keyboard() -> bool:
    """Whether the terminal's keyboard signals go to this process group, and so to the command."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
