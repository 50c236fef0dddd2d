"""A program that passes on what jobs write, and keeps the ends of it for nvinx to read.

It outlives whoever started it, as the jobs do, and is no child of any of them: a program that waits
for all of its children would wait for it. Its standard input is a socket, on which it is asked to

- `keep TOKEN`, with two pipes: of the job's stdout and of its stderr;
- `tell TOKEN`: once it has passed on all that is there, it answers with the ends of both;
- `forget TOKEN`: nobody will ask for them any more;
- `settle`: once it has passed on all that is there, it answers with how many pipes are still open.

It ends when nobody can ask any more and all pipes are closed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress

ENDS = 65_536  # bytes of each stream that are kept
SIGN = b"="  # before each answer
_LONGEST = 4096  # bytes of what is asked
_PIECE = 65_536
_AT_ONCE = 32  # pieces of one stream, so that one that never ends keeps no other waiting
_ASKED, _STDOUT, _STDERR = range(3)


class _Stream:
    """One of the two that a job writes to."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self._target = source, target
        self.end, self.is_open = b"", True
        os.set_blocking(source, False)

    def pass_on(self) -> None:
        """Whatever is there; at the end of it all, close the pipe."""
        for _ in range(_AT_ONCE if self.is_open else 0):
            try:
                piece = os.read(self.source, _PIECE)
            except BlockingIOError:
                return
            if not piece:
                os.close(self.source)
                self.is_open = False
                return
            self.end = (self.end + piece)[-ENDS:]
            self._write(piece)

    def _write(self, piece: bytes) -> None:
        """Where nobody reads it any more it is left out: the job goes on."""
        while piece:
            try:
                piece = piece[os.write(self._target, piece) :]
            except BlockingIOError:
                select.select((), (self._target,), ())
            except OSError:
                return


class _Keeper:
    def __init__(self) -> None:
        self._asker = socket.socket(fileno=_ASKED)
        self._jobs: dict[str, tuple[_Stream, _Stream]] = {}
        self._open: dict[int, _Stream] = {}
        self._poll = select.poll()
        self._poll.register(_ASKED, select.POLLIN)
        self._is_asked = True

    def serve(self) -> None:
        while self._is_asked or self._open:
            for fd, _ in self._poll.poll():
                if fd == _ASKED:
                    self._answer()
                elif fd in self._open:
                    self._pass_on(self._open[fd])

    def _pass_on(self, *streams: _Stream) -> None:
        for stream in streams:
            stream.pass_on()
            if not stream.is_open and self._open.pop(stream.source, None) is not None:
                self._poll.unregister(stream.source)

    def _answer(self) -> None:
        asked, fds = b"", list[int]()
        with suppress(OSError):  # whoever asked died before it had read an answer
            asked, fds, _, _ = socket.recv_fds(self._asker, _LONGEST, 2)
        verb, _, token = asked.decode().partition(" ")
        if verb == "keep":
            self._jobs[token] = _Stream(fds[0], _STDOUT), _Stream(fds[1], _STDERR)
            for stream in self._jobs[token]:
                self._open[stream.source] = stream
                self._poll.register(stream.source, select.POLLIN)
        elif verb == "tell":
            streams = self._jobs.get(token, ())
            self._pass_on(*streams)
            self._say(b"".join(stream.end for stream in streams[:1]))
            self._say(b"".join(stream.end for stream in streams[1:]))
        elif verb == "forget":
            self._jobs.pop(token, None)
        elif verb == "settle":
            self._pass_on(*self._open.values())
            self._say(b"%d" % len(self._open))
        else:
            self._poll.unregister(_ASKED)
            self._is_asked = False

    def _say(self, answer: bytes) -> None:
        """After a sign, as an empty message would look like the end."""
        with suppress(OSError):  # whoever asked has gone
            self._asker.send(SIGN + answer)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _Keeper().serve()


if __name__ == "__main__":
    main()
