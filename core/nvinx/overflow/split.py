"""Pattern C: a model that is larger than the card, split over cards, RAM and disk. Pure.

Per forward (per token, in decoding) the split adds

    t = (S_ram + S_disk) / B_bus + S_disk / B_disk

seconds, since what is not on a card crosses the bus each time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.errors import DoesNotFitError
from nvinx.sizes import CONTEXT_MIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nvinx.overflow.bandwidth import Bandwidth


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a model. size: bytes, with all that is in it.

    parts: what it may be split into, in the order of use; none where it stays in one piece.
    is_layer: whether it must be brought to a card whole in order to be computed.
    """

    name: str
    size: int
    parts: tuple[Part, ...] = ()
    is_layer: bool = True

    @property
    def largest(self) -> int:
        """Bytes of its largest layer."""
        if self.parts:
            return max(part.largest for part in self.parts)
        return self.size if self.is_layer else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Bytes that may be used now: of each visible card, of RAM, of the disk for what is left."""

    cards: Sequence[int]
    ram: int
    disk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Bytes of a model on each card, in RAM and on disk. budgets: what each card may hold."""

    cards: tuple[int, ...]
    ram: int
    disk: int
    budgets: tuple[int, ...]
    ram_budget: int

    @property
    def fits(self) -> bool:
        """Whether all of it is on cards."""
        return not self.ram and not self.disk

    def added_s(self, bandwidth: Bandwidth) -> float:
        """Seconds that each forward takes longer than with all of it on one card."""
        return (self.ram + self.disk) / bandwidth.bus + self.disk / bandwidth.disk

    def max_memory(self) -> dict[int | str, int]:
        """What accelerate takes: bytes by device. A fresh dict, since the callee changes it."""
        return {**dict(enumerate(self.budgets)), "cpu": self.ram_budget}


def plan_overflow(
    parts: Sequence[Part], free: Free, *, headroom: int = 0, context: int = CONTEXT_MIB * MIB
) -> Split:
    """Split a model over what is free: cards first, then RAM, then disk.

    headroom, context: bytes that stay free on each card. Whole layers go where accelerate's
    `infer_auto_device_map` puts them, which keeps room for the largest layer still to come on the
    first card and in RAM. Cards of unequal room are filled in proportion to it. Raises
    DoesNotFitError with the bytes that are missing, and when all of it would be on disk.
    """
    room = tuple(max(card - headroom - context, 0) for card in free.cards)
    total = sum(part.size for part in parts)
    split = _filled(parts, _in_proportion(total, room, _largest(parts)), free.ram)
    if not split.fits:
        split = _filled(parts, room, free.ram)
    if split.disk == total > 0:
        raise DoesNotFitError(_least(parts) - max((*room, free.ram)), total, "any card or RAM")
    if split.disk > free.disk:
        raise DoesNotFitError(split.disk - free.disk, total, "cards, RAM and disk")
    return split


def _in_proportion(total: int, room: Sequence[int], largest: int) -> tuple[int, ...]:
    """Budgets for a model that may fit: each card's share, and some more as layers are whole."""
    whole = sum(room)
    return tuple(min(size, total * size // whole + 2 * largest) if whole else 0 for size in room)


def _filled(parts: Sequence[Part], room: tuple[int, ...], ram: int) -> Split:
    held = [0] * (len(room) + 2)
    for tier, size in _tiers(parts, (*room, ram)):
        held[tier] += size
    *cards, in_ram, on_disk = held
    return Split(cards=tuple(cards), ram=in_ram, disk=on_disk, budgets=room, ram_budget=ram)


def _tiers(parts: Iterable[Part], room: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The tier of each piece and its bytes; the tier after the last of `room` takes all."""
    todo, tier, used = deque(parts), 0, 0
    keeps_room = {0, len(room) - 1}
    while todo:
        part = todo.popleft()
        kept = _largest(todo) if tier in keeps_room else 0
        if tier == len(room) or used + part.size <= room[tier] - kept:
            used += part.size
            yield tier, part.size
        elif part.parts:
            todo.extendleft(reversed(part.parts))
        else:
            todo.appendleft(part)
            tier, used = tier + 1, 0


def _largest(parts: Iterable[Part]) -> int:
    return max((part.largest for part in parts), default=0)


def _least(parts: Sequence[Part]) -> int:
    """Bytes with which the first piece stays off the disk, and the largest layer has room."""
    first = parts[0]
    while first.parts:
        first = first.parts[0]
    return first.size + _largest(parts)
