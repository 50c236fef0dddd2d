"""What jobs write, passed on and kept by a process of its own; see `output_keeper`."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from nvinx.leases.markers import MARKER
from snakemake_executor_plugin_nvinx import output_keeper

_PATIENCE_S = 5.0  # where the terminal takes nothing more, neither does the keeper
_PROGRAM = (sys.executable, "-I", "-S", str(Path(__file__).with_name("output_keeper.py")))


class KeptOutput:
    """The ends of what running jobs write, for any thread. The process is started with the first.

    Where it cannot be asked any more, what was kept is lost, and the next job gets a new one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._pipes: dict[str, tuple[int, int]] = {}

    def pipes(self, token: str) -> tuple[str, str]:
        """Where a job's stdout and stderr are to go, as files to open until it is dropped.

        Raises OSError where there can be no more processes or files.
        """
        with self._lock:
            if token not in self._pipes:
                self._pipes[token] = self._new(token)
            stdout, stderr = self._pipes[token]
        return _file(stdout), _file(stderr)

    def ends(self, token: str) -> list[str]:
        """The last 64 KiB of what a job has written: to its stderr, and to its stdout."""
        with self._lock:
            if token not in self._pipes or not self._asked(f"tell {token}"):
                return []
            stdout, stderr = self._heard(), self._heard()
        return [text.decode(errors="replace") for text in (stderr, stdout)]

    def drop(self, token: str) -> None:
        """The job has ended; what it left behind may go on writing."""
        with self._lock:
            pipes = self._pipes.pop(token, ())
            for pipe in pipes:
                os.close(pipe)
            if pipes:
                self._asked(f"forget {token}")

    def close(self) -> None:
        """Wait until all is passed on that was written; nothing is kept any more."""
        for token in list(self._pipes):
            self.drop(token)
        with self._lock:
            if self._asked("settle"):
                self._leave(ends=self._heard() == b"0")

    def _new(self, token: str) -> tuple[int, int]:
        (stdout, to_stdout), (stderr, to_stderr) = os.pipe(), os.pipe()
        try:
            if not self._asked(f"keep {token}", stdout, stderr):
                self._start()
                if not self._asked(f"keep {token}", stdout, stderr):
                    raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        except OSError:
            os.close(to_stdout)
            os.close(to_stderr)
            raise
        finally:
            os.close(stdout)
            os.close(stderr)
        return to_stdout, to_stderr

    def _start(self) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE_S)
        with its:
            try:
                self._keeper = subprocess.Popen(
                    _PROGRAM,
                    stdin=its.fileno(),
                    env={name: value for name, value in os.environ.items() if name != MARKER},
                    start_new_session=True,  # the keyboard's signals are for the jobs
                )
            except OSError:
                ours.close()
                raise
        self._socket = ours

    def _asked(self, words: str, *fds: int) -> bool:
        """Whether the keeper is there and was asked."""
        if self._socket is None:
            return False
        try:
            socket.send_fds(self._socket, [words.encode()], fds)
        except OSError:
            self._leave()
            return False
        return True

    def _heard(self) -> bytes:
        """What it answers; one that does not is asked nothing more."""
        if self._socket is None:
            return b""
        try:
            answer = self._socket.recv(len(output_keeper.SIGN) + output_keeper.ENDS)
        except OSError:
            answer = b""
        if not answer:
            self._leave()
        return answer.removeprefix(output_keeper.SIGN)

    def _leave(self, *, ends: bool = False) -> None:
        """It is asked nothing more, and ends once no job can write any more. ends: that is now."""
        if self._socket is not None and self._keeper is not None:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(_PATIENCE_S if ends else 0.0)


def _file(pipe: int) -> str:
    return f"/proc/{os.getpid()}/fd/{pipe}"
