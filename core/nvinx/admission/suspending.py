"""Suspending a job in place of ending it: its GPU memory goes to RAM and comes back later. Pure.

What it costs is two copies over the bus instead of the work done. It holds its room on the card
until the copy in RAM is whole, and the RAM from the decision until it is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.job import GivenBack, Phase, Running, Suspension, Waiting
from nvinx.jobs.preemption import once_more
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.residency import Residency

if TYPE_CHECKING:
    from nvinx.admission.job import Job, Placement
    from nvinx.jobs.claim import Claim

_BUS_MIB_PER_S = Bandwidth().bus / 2**20


def suspends(claim: Claim) -> bool:
    """Whether a job that gives its card back keeps its memory, in RAM."""
    return claim.preemptible is not None and claim.preemptible.suspends


def can_leave(placement: Placement) -> bool:
    """Whether all of it is on one card, which it can leave and come back to."""
    is_on_one = len(placement.cards) == 1
    return is_on_one and placement.residency is not Residency.GPU_RAM_OVERFLOW


def image_mib(placement: Placement) -> int:
    """The RAM that its GPU memory may take, in MiB: all that it holds of its card."""
    return placement.vram_mib


def copy_s(placement: Placement) -> float:
    """How long it takes to copy its GPU memory once over the bus, in seconds."""
    return image_mib(placement) / _BUS_MIB_PER_S


def leaving(one: Running, to: str, by: float) -> Running:
    """The job from the decision on: it still holds its room, and the RAM as well."""
    placement, ram_mib = one.placement, image_mib(one.placement)
    placement = replace(
        placement,
        ram_mib=placement.ram_mib + ram_mib,
        given_back=GivenBack(to, by),
        suspension=Suspension(Phase.LEAVING, to, ram_mib),
    )
    return replace(one, placement=placement)


def off_card(one: Running, suspension: Suspension, used_mib: int | None, at: float) -> Waiting:
    """The job once its memory is in RAM: it waits for the room that it had, on the same card.

    used_mib: what it had used of it, None where nobody saw; all of that must fit, or it could never
    come back. It can go on nowhere else. Its RAM is held by what it left, so it asks for none.
    """
    now = replace(suspension, phase=Phase.OFF_CARD)
    held = replace(one.placement, given_back=None, suspension=now)
    claim = replace(
        _with_room(one, used_mib),
        on_card=held.card,
        ram_mib=0,
        cpu_fallback=False,
        ram_overflow=False,
    )
    ran_s = max(at - one.since, 0.0)
    preempted = once_more(one.job.preempted, at, ran_s, one.placement.cards)
    return Waiting(replace(one.job, claim=claim, preempted=preempted, suspended=held), at)


def _with_room(one: Running, used_mib: int | None) -> Claim:
    """A claim on all that the job had used; the whole card where it did not keep to its part."""
    claim, held_mib = one.job.claim, one.placement.vram_mib
    if used_mib is not None and used_mib > held_mib:
        return replace(claim.with_whole_card(), vram_mib=used_mib)
    if claim.residency is Residency.GPU_EXCLUSIVE:
        return replace(claim, vram_mib=held_mib if used_mib is None else used_mib)
    return claim


def stays(one: Running) -> Running:
    """The job where it could not be suspended: it keeps its card, and is not asked again."""
    job = replace(one.job, claim=replace(one.job.claim, preemptible=None))
    return replace(one, job=job, placement=_without_image(one.placement))


def coming_back(job: Job, held: Placement, placement: Placement, at: float) -> Running:
    """A suspended job that was given room again, and that had run for a while.

    held: what it had meanwhile, which it keeps until its memory is back on the card.
    """
    suspension = held.suspension
    now = None if suspension is None else replace(suspension, phase=Phase.COMING_BACK)
    placement = replace(placement, ram_mib=held.ram_mib, suspension=now)
    ran_s = 0.0 if job.preempted is None else job.preempted.ran_s
    return Running(replace(job, suspended=None), placement, at - ran_s)


def is_back(one: Running) -> Running:
    """The job once its memory is on the card again: the RAM for that is free."""
    return replace(one, placement=_without_image(one.placement))


def _without_image(placement: Placement) -> Placement:
    suspension = placement.suspension
    ram_mib = placement.ram_mib - (0 if suspension is None else suspension.ram_mib)
    return replace(placement, ram_mib=ram_mib, given_back=None, suspension=None)
