"""How a claim is changed before it is queued: by what runs taught, and to what there is. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nvinx.catalog import Residency

if TYPE_CHECKING:
    from nvinx.history.statistics import RunStatistics
    from nvinx.jobs.claim import Claim

_OFTEN = 2


def by_statistics(claim: Claim, statistics: RunStatistics, largest_mib: int) -> Claim:
    """With learned times and VRAM, and the whole card where its kind keeps running out of memory.

    largest_mib: what a job that shares can have at most.
    """
    claim = _with_vram(statistics.with_runtimes(claim), statistics, largest_mib)
    if keeps_running_out(claim, statistics):
        return replace(claim, residency=Residency.GPU_EXCLUSIVE)
    return claim


def _with_vram(claim: Claim, statistics: RunStatistics, largest_mib: int) -> Claim:
    """A share of the card for a job whose need is to be learned, once it is known."""
    if not claim.auto_vram or claim.vram_mib is not None:
        return claim
    need_mib = statistics.vram_mib(claim.kind, claim.size)
    if need_mib is None or need_mib > largest_mib:
        return claim
    return replace(claim, residency=Residency.GPU_SHARED, vram_mib=need_mib)


def keeps_running_out(claim: Claim, statistics: RunStatistics) -> bool:
    """Whether shared jobs of this kind ran out so often of late that they get the card alone."""
    shares = claim.residency is Residency.GPU_SHARED
    return shares and statistics.ran_out(claim.kind) >= _OFTEN


def to_ram(claim: Claim, ram_mib: int) -> Claim:
    """With no more RAM than there is, as in Snakemake; what may spill needs what it says."""
    if claim.ram_mib <= ram_mib or claim.may_overflow:
        return claim
    return replace(claim, ram_mib=ram_mib)
