"""Who gets killed, and when."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil
from scene import MARK, Soak, Watched

if TYPE_CHECKING:
    import random

KILL_EVERY_S = (2.0, 6.0)


def token_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.environ().get(MARK, "")
    return ""


def victim(soak: Soak, kind: str, chance: random.Random) -> psutil.Process | None:
    """A program of that kind that lives, or the shell of a job of one."""
    with soak.lock:
        named = {name: process.pid for name, process in soak.programs.items()}
    # Most of them only wait; seven in ten kills are for one that holds a lease.
    waits_too = chance.random() < 0.3
    running = [pid for name, pid in named.items() if name == "command"]
    ours = {"nvinx run": [pid for pid in running if waits_too or shells(pid)]}
    ours["Snakemake"] = [pid for name, pid in named.items() if name != "command"]
    ours["shell"] = [shell for pid in ours["Snakemake"] for shell in shells(pid)]
    with contextlib.suppress(psutil.Error):
        return psutil.Process(chance.choice(ours[kind])) if ours[kind] else None
    return None


def shells(pid: int) -> list[int]:
    """The jobs' shells of one Snakemake: the first of its line to carry a marker."""
    with contextlib.suppress(psutil.Error):
        line = psutil.Process(pid).children(recursive=True)
        marked = {p.pid: p for p in line if token_of(p)}
        return [p.pid for p in marked.values() if p.ppid() not in marked]
    return []


def kill(soak: Soak, kind: str, chance: random.Random) -> None:
    """SIGKILL for one process alone; the jobs it leaves are watched from now on."""
    process = victim(soak, kind, chance)
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        tokens = {token for token in map(token_of, family) if token}
        process.kill()
        with soak.lock:
            soak.kills[kind] += 1
            soak.watched.update({token: Watched(kind) for token in tokens})


def killer(soak: Soak, chance: random.Random) -> None:
    while not soak.stop.wait(chance.uniform(*KILL_EVERY_S)):
        kill(soak, chance.choice(["Snakemake", "shell", "nvinx run"]), chance)
