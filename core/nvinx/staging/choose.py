"""What to read into the page cache for the next GPU jobs in the queue. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nvinx.sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nvinx.staging.ports import File

SMALL_FILE_BYTES = 1_000_000  # below this, opening it takes as long as reading it
SMALL_LOAD_BYTES = 16_000_000  # below this, nobody notices


@dataclass(frozen=True, slots=True)
class Load:
    """The files that a waiting job will load."""

    job_id: str
    name: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """How much RAM is left, and the share of it that files read ahead may take."""

    left_mib: int
    share: float

    @property
    def room_bytes(self) -> int:
        return int(self.left_mib * self.share * MIB)

    @property
    def floor_mib(self) -> int:
        """Whoever reads stops when less than this is left: half of what there was."""
        return self.left_mib // 2


def is_worth_reading(load: Load) -> bool:
    """Whether it has files that could be read ahead, warm or not."""
    return any(file.size_bytes >= SMALL_FILE_BYTES for file in load.files)


def choose(queue: Iterable[Load], warm: Collection[str], memory: Memory) -> Load | None:
    """What to read next: the first job of the queue with cold files, and those of them that fit.

    A file takes room once, where it first stands in the queue, warm or not; the last one that finds
    room is cut to it. warm: paths that were read. Loads too small to matter are passed over.
    """
    room, seen = memory.room_bytes, set[str]()
    for load in queue:
        cold: list[File] = []
        for file in load.files:
            size = min(file.size_bytes, room)
            if file.size_bytes < SMALL_FILE_BYTES or size <= 0 or file.path in seen:
                continue
            seen.add(file.path)
            room -= size
            if file.path not in warm:
                cold.append(replace(file, size_bytes=size))
        if sum(file.size_bytes for file in cold) >= SMALL_LOAD_BYTES:
            return replace(load, files=tuple(cold))
    return None
