"""Programs on the cards that hold no lease, by name; a task of Nextflow by that of the task."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.formatting import plain
from nvinx.host import proc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nvinx.gpu.ports import GpuInventory

_WRAPPER = ".command.run"
_NAME = "### name: '"  # in the head of each wrapper
_HEAD = 4096
_COMMAND = 60


class Stranger(Struct, frozen=True):
    """used_mib: None where the driver does not say. task, folder: of Nextflow, if it is one."""

    pid: int
    command: str
    used_mib: int | None = None
    task: str = ""
    folder: str = ""


def find(inventory: GpuInventory, owned: Collection[int]) -> dict[str, tuple[Stranger, ...]]:
    """By the card's id. owned: the processes that belong to leases."""
    return {
        gpu.id: tuple(
            _stranger(one.pid, one.used_mib) for one in gpu.processes if one.pid not in owned
        )
        for gpu in inventory.gpus
    }


def _stranger(pid: int, used_mib: int | None) -> Stranger:
    words = proc.command_line(pid).replace(b"\0", b" ").decode(errors="replace").strip()
    command = plain(words or proc.name(pid), _COMMAND)
    for folder in _folders(pid):
        with suppress(OSError):
            with (folder / _WRAPPER).open(encoding="utf-8", errors="replace") as file:
                head = file.read(_HEAD)
            name = head.partition(_NAME)[2].partition("'\n")[0]
            return Stranger(pid, command, used_mib, plain(name), str(folder))
    return Stranger(pid, command, used_mib)


def _folders(pid: int) -> Iterator[Path]:
    """Where it and those that it descends from work."""
    while pid > 1:
        with suppress(OSError):
            yield Path(f"/proc/{pid}/cwd").readlink()
        pid = proc.parent(pid) or 0
