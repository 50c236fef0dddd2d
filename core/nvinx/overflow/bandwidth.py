"""How fast the tiers of a model that is split are. Pure."""

from __future__ import annotations

from msgspec import Struct


class Bandwidth(Struct, frozen=True, kw_only=True):
    """Bytes per second from RAM to a card, and from the disk.

    The defaults fit HuggingFace's table of big-model inference (6.25 and 2.3 GB/s).
    """

    bus: float = 6.25e9
    disk: float = 2.3e9
