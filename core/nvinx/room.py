"""How much of the bench is free while one round of admission goes on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nvinx.catalog import Residency
from nvinx.reasons import Reason, Why

if TYPE_CHECKING:
    from nvinx.admission import Card, Job, Placement, State

_ON_THE_CARD = (
    Why.CARD_HELD_EXCLUSIVELY,
    Why.WANTS_CARD_ALONE,
    Why.NOT_ENOUGH_VRAM,
    Why.CARD_USED_BY_OTHERS,
)

_SHOWN = 5  # a list of everybody would grow with the square of the queue


class Room:
    """Free cores, RAM and VRAM, and what of it is kept for a job that has waited long enough.

    Lives for one round only: `policy` fills it as it admits.
    """

    def __init__(self, cores: int, ram_mib: int | None) -> None:
        self.free_cores = cores
        self.free_ram_mib = ram_mib
        self._names: dict[str, list[str]] = defaultdict(list)
        self._used_mib: dict[str, int] = defaultdict(int)
        self._held_alone: set[str] = set()
        self._kept_card: dict[str, str] = {}
        self._kept_by: list[str] = []

    @classmethod
    def of(cls, state: State) -> Room:
        """The room that the running jobs leave."""
        room = cls(state.capacity.cores, state.capacity.ram_mib)
        for running in state.running.values():
            room.take(running.job, running.placement)
        return room

    def residents(self, card_id: str) -> tuple[str, ...]:
        return tuple(self._names.get(card_id, ()))

    def take(self, job: Job, placement: Placement) -> None:
        self.free_cores -= job.claim.cores
        if self.free_ram_mib is not None:
            self.free_ram_mib -= placement.ram_mib
        if placement.card is not None:
            self._names[placement.card].append(job.name)
            self._used_mib[placement.card] += placement.vram_mib
            if placement.alone:
                self._held_alone.add(placement.card)

    def lacks(self, job: Job) -> Reason | None:
        """What of the machine itself is missing for the job: cores, RAM, or nothing."""
        behind = tuple(self._kept_by[:_SHOWN])
        if job.claim.cores > self.free_cores:
            free = max(self.free_cores, 0)
            return Reason(job.name, Why.NOT_ENOUGH_CORES, job.claim.cores, free, behind)
        if self.free_ram_mib is not None and job.claim.ram_mib > self.free_ram_mib:
            free = max(self.free_ram_mib, 0)
            return Reason(job.name, Why.NOT_ENOUGH_RAM, job.claim.ram_mib, free, behind)
        return None

    def refuses(self, card: Card, job: Job, residency: Residency) -> Reason | None:
        """Why the job may not have this card now, or None when it may."""
        there = self.residents(card.id)
        if card.id in self._held_alone:
            return Reason(job.name, Why.CARD_HELD_EXCLUSIVELY, behind=there)
        if card.id in self._kept_card:
            return Reason(job.name, Why.BEHIND_OLDER_JOB, behind=(self._kept_card[card.id],))
        if there and residency is not Residency.GPU_SHARED:
            return Reason(job.name, Why.WANTS_CARD_ALONE, behind=there)
        need, free = self._need_and_free(card, job, residency)
        if card.alone_mib > 0 and need <= free:
            return None
        why = Why.NOT_ENOUGH_VRAM if there else Why.CARD_USED_BY_OTHERS
        return Reason(job.name, why, need, free, there)

    def _need_and_free(self, card: Card, job: Job, residency: Residency) -> tuple[int, int]:
        if residency is Residency.GPU_RAM_OVERFLOW:
            return 0, card.alone_mib
        if residency is Residency.GPU_EXCLUSIVE:
            return job.claim.vram_mib or 0, card.alone_mib
        return job.claim.vram_mib or 0, max(card.budget_mib - self._used_mib[card.id], 0)

    def keep_for(self, job: Job, reason: Reason, cards: list[str], *, patient: bool) -> None:
        """Keep what the refused job waits for, so that younger jobs cannot take it for ever.

        One of `cards` is kept, the emptiest, once patience is over. Cores and RAM are kept at once
        for a job that only lacks those and could have a card, else once patience is over.
        """
        if reason.why in _ON_THE_CARD:
            if not patient:
                self._keep_emptiest(cards, job)
            return
        if reason.why is Why.BEHIND_OLDER_JOB or (patient and not job.claim.uses_gpu):
            return
        self._kept_by.append(job.name)
        self.free_cores -= job.claim.cores
        if self.free_ram_mib is not None:
            self.free_ram_mib -= job.claim.ram_mib

    def _keep_emptiest(self, cards: list[str], job: Job) -> None:
        open_cards = [c for c in cards if c not in self._kept_card]
        if open_cards:
            emptiest = min(open_cards, key=lambda c: self._used_mib[c])
            self._kept_card[emptiest] = job.name
