"""Ending all processes of a job, wherever they went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.host.life import pids_of

if TYPE_CHECKING:
    from collections.abc import Collection

    import psutil


def end(tokens: Collection[str], *, grace_s: float = 5.0) -> int:
    """TERM, then after `grace_s` seconds KILL, every process that carries one of the tokens.

    Returns how many had to be killed. Processes are found by marker and by descent, so a
    double-forked child is ended too.
    """
    import psutil

    victims = _family(tokens)
    for process in victims:
        _send(process, "terminate")
    psutil.wait_procs(victims, timeout=grace_s)
    stubborn = [p for p in _family(tokens) if p.is_running()]
    for process in stubborn:
        _send(process, "kill")
    psutil.wait_procs(stubborn, timeout=grace_s)
    return len(stubborn)


def _family(tokens: Collection[str]) -> list[psutil.Process]:
    import psutil

    found: dict[int, psutil.Process] = {}
    for pid in pids_of(set(tokens)):
        try:
            process = psutil.Process(pid)
            for relative in (process, *process.children(recursive=True)):
                found[relative.pid] = relative
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def _send(process: psutil.Process, what: str) -> None:
    import psutil

    try:
        getattr(process, what)()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
