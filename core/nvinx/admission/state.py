"""What admission knows at one moment: who waits, who runs, and where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from nvinx.admission.waiting_queue import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.admission.job import Placement, Running
    from nvinx.bench.capacity import Capacity


class State(Struct, frozen=True):
    """A snapshot of the bench. `apply` and `admit` return a new one; nothing ever edits one.

    suspended: what those hold whose GPU memory is in RAM, by job id; ours wait as well.
    """

    capacity: Capacity
    waiting: Queue = field(default_factory=Queue)
    running: Mapping[str, Running] = field(default_factory=dict)
    suspended: Mapping[str, Placement] = field(default_factory=dict)

    def on_card(self, card_id: str) -> tuple[Running, ...]:
        return tuple(r for r in self.running.values() if card_id in r.placement.cards)
