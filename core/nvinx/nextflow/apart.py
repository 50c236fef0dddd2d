"""A process apart, which goes on when the one that a shell waits for has ended."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_READY = b"1"


def go_on_apart() -> Callable[[], None]:
    """Go on in a child; this process ends with status 0 once the child calls what it is given.

    Where the child ends before, this process ends with its status.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os._exit(0 if os.read(told, 1) else _status_of(child))
    os.close(told)
    os.setsid()
    return lambda: _tell(tell)


def _tell(tell: int) -> None:
    os.write(tell, _READY)
    os.close(tell)


def _status_of(child: int) -> int:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status
