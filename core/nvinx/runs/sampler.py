"""Looks at the machine now and then, for the trace of a run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from nvinx.gpu.meter import NvmlMeter
from nvinx.host import resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nvinx.bench.capacity import Card

EVERY_S = 2.0


class Sampler:
    """Tells of CPU, RAM and the real cards every two seconds, from a thread of its own."""

    def __init__(self, cards: Iterable[Card], tell: Callable[..., None]) -> None:
        """tell: called with `cpu` (share of all cores), `ram_left_mib` and `cards`."""
        self._meters = {card.id: NvmlMeter(card.id) for card in cards if not card.simulated}
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nvinx-sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        import psutil

        psutil.cpu_percent()  # the first answer means nothing
        while not self._over.wait(EVERY_S):
            seen = [self._card(card_id, meter) for card_id, meter in self._meters.items()]
            cpu = round(psutil.cpu_percent() / 100, 3)
            self._tell(cpu=cpu, ram_left_mib=resources.ram_left_mib(), cards=seen)
        for meter in self._meters.values():
            meter.close()

    def _card(self, card_id: str, meter: NvmlMeter) -> dict[str, Any]:
        reading = meter.read()
        return {"id": card_id, "used_mib": reading.used_mib, "utilisation": reading.utilisation}
