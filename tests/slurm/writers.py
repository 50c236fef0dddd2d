"""Finds the daemons of a cluster, and their jobs, by the log that each daemon writes.

A pid file can be stale, and a job step hides its environment; who has the log open to write to
it is that daemon, or a step of it.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "nvinx-owner"  # lies in the folder of every cluster, and of nothing else


def writers(folder: Path, log: str = "*.log") -> list[psutil.Process]:
    """The living processes that write to a log in the folder of a cluster."""
    logs = {str(path) for path in folder.glob(log)} if is_claimed(folder) else set()
    return [process for process in psutil.process_iter() if logs & set(_written(process))]


def kill(folder: Path, log: str = "*.log") -> None:
    """End who writes to these logs, and all that they started, at once, as a power cut does.

    Daemons, which are the oldest, go first: none is to tell of a job's end. Looks until nothing is
    left, since a daemon may be starting another job meanwhile.
    """
    while found := with_children(writers(folder, log)):
        for process in sorted(found, key=_born):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        while any(lives(process) for process in found):
            time.sleep(0.01)


def with_children(found: list[psutil.Process]) -> dict[psutil.Process, str]:
    """These processes and all that they started, with their names."""
    everything = set(found)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            everything.update(process.children(recursive=True))
    names = {}
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            names[process] = process.name()
    return names


def claim(folder: Path, kept: bool) -> None:
    """Make it the folder of a cluster: what writes to logs in it may be killed.

    Unless `kept`, it is to be killed once this process is dead.
    """
    (folder / OWNER).write_text("" if kept else _name(psutil.Process()))


def is_claimed(folder: Path) -> bool:
    return (folder / OWNER).exists()


def abandoned() -> set[Path]:
    """Folders whose owner died, and to whose logs somebody still writes."""
    folders = {Path(log).parent for process in psutil.process_iter() for log in _written(process)}
    return {folder for folder in folders if is_claimed(folder) and not _is_wanted(folder)}


def lives(process: psutil.Process) -> bool:
    """False for a zombie too."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _born(process: psutil.Process) -> float:
    """When it was started; before all others if it has ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.create_time()
    return 0.0


def _is_wanted(folder: Path) -> bool:
    """Also where it has just been removed, by whoever made it."""
    try:
        owner = (folder / OWNER).read_text()
    except FileNotFoundError:
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        return not owner or _name(psutil.Process(int(owner.partition(":")[0]))) == owner
    return False


def _name(process: psutil.Process) -> str:
    """Tells a process from a later one of the same number."""
    return f"{process.pid}:{process.create_time():.2f}"


def _written(process: psutil.Process) -> Iterator[str]:
    with contextlib.suppress(psutil.Error):
        yield from (file.path for file in process.open_files() if file.mode in {"a", "w"})
