"""How busy a card is while something runs."""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING, Any, Self

from nvinx.gpu.meter import NvmlMeter

if TYPE_CHECKING:
    from nvinx.bench.capacity import Card
    from nvinx.gpu.ports import GpuReading

EVERY_S = 0.2


class BusyWatch:
    """Reads the card five times a second for as long as the block runs; nothing without a card."""

    def __init__(self, card: Card | None) -> None:
        self._card = card
        self._readings: list[GpuReading] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        if self._card is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._card is not None:
            self._thread.join()

    def found(self) -> dict[str, Any]:
        """Mean share of time with a kernel running, mean watts, most MiB in use; None: not told."""
        busy = [r.utilisation for r in self._readings if r.utilisation is not None]
        watts = [r.power_w for r in self._readings if r.power_w is not None]
        used = [r.used_mib for r in self._readings if r.used_mib is not None]
        return {
            "busy": statistics.fmean(busy) if busy else None,
            "watts": statistics.fmean(watts) if watts else None,
            "most_mib": max(used, default=None),
        }

    def _read(self) -> None:
        assert self._card is not None
        with NvmlMeter(self._card.id) as gauge:
            while not self._over.wait(EVERY_S):
                self._readings.append(gauge.read())
