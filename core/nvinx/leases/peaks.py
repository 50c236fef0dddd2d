"""The most VRAM that each job was seen to use, where it was seen, and whether its card is there."""

from __future__ import annotations

import threading
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nvinx.gpu.ports import GpuInventory, GpuProbe, GpuState
    from nvinx.leases.ports import Liveness

EVERY_S = 0.5
_SURELY_LOST = 3  # looks in a row: a driver that is asked too soon may fail once


class PeakWatch:
    """Looks twice a second at what the watched jobs use, in a thread that ends with the last one.

    A job's use at one moment is the sum over its processes: those that carry its marker, and all
    that descend from them. Of several cards the one counts that it uses most of.
    """

    def __init__(
        self,
        probe: GpuProbe,
        liveness: Liveness,
        lost: Callable[[str, str], None] | None = None,
        astray: Callable[[str, int], None] | None = None,
    ) -> None:
        """lost: told once of a card with watched jobs that has gone, and what the driver said.

        astray: told once of a job that uses a card which it does not hold, and the card's index.
        """
        self._probe, self._liveness, self._on_lost = probe, liveness, lost
        self._on_astray = astray
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[str, ...]] = {}
        self._own: dict[int, str] = {}
        self._peaks: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, token: str, cards: tuple[str, ...]) -> None:
        """From now on, until it is taken. cards: ids of those that it holds."""
        with self._lock:
            self._cards[token] = cards
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(target=self._run, name="nvinx-peaks", daemon=True)
                self._thread.start()

    def count(self, token: str, pid: int) -> None:
        """This process is the job's, though it carries no marker."""
        with self._lock:
            self._own[pid] = token

    def take(self, token: str) -> int | None:
        """Watch no longer; the job's peak in MiB, None when it was never seen on the card."""
        with self._lock:
            self._cards.pop(token, None)
            self._own = {pid: other for pid, other in self._own.items() if other != token}
            if not self._cards:
                self._wake.set()
            return self._peaks.pop(token, None)

    def sample(self) -> None:
        """One look at all watched jobs."""
        inventory = self._probe.read()
        there = [process for gpu in inventory.gpus for process in gpu.processes]
        owners = self._own | self._liveness.owners({process.pid for process in there})
        self._tell_astray(inventory, owners)
        with self._lock:
            for gpu in inventory.gpus:
                for token, used_mib in _sums(gpu, owners).items():
                    if token in self._cards:
                        self._peaks[token] = max(self._peaks.get(token, 0), used_mib)
            lost = self._newly_lost(inventory)
        if self._on_lost is not None:
            for card_id in lost:
                self._on_lost(card_id, inventory.problem or "the driver no longer shows it")

    def _tell_astray(self, inventory: GpuInventory, owners: Mapping[int, str]) -> None:
        with self._lock:
            seen = {
                (owners[process.pid], gpu.index)
                for gpu in inventory.gpus
                for process in gpu.processes
                if gpu.id not in self._cards.get(owners.get(process.pid, ""), (gpu.id,))
            }
            new = seen - self._told
            self._told |= new
        if self._on_astray is not None:
            for token, index in sorted(new):
                self._on_astray(token, index)

    def _newly_lost(self, inventory: GpuInventory) -> list[str]:
        there = {gpu.id for gpu in inventory.gpus}
        lost = []
        for card_id in set(chain.from_iterable(self._cards.values())):
            self._missed[card_id] = 0 if card_id in there else self._missed.get(card_id, 0) + 1
            if self._missed[card_id] == _SURELY_LOST:
                lost.append(card_id)
        return lost

    def _run(self) -> None:
        while not self._wake.wait(EVERY_S):
            self.sample()
        with self._lock:
            self._thread = None
            again = dict(self._cards)
        for token, cards in again.items():
            self.watch(token, cards)


def _sums(gpu: GpuState, owners: Mapping[int, str]) -> dict[str, int]:
    """What each job uses of one card, in MiB."""
    sums: dict[str, int] = {}
    for process in gpu.processes:
        token = owners.get(process.pid)
        if token is not None and process.used_mib is not None:
            sums[token] = sums.get(token, 0) + process.used_mib
    return sums
