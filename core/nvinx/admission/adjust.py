"""How a claim is changed before it is queued: by what runs taught, and to what there is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.catalog import Residency
from nvinx.jobs import gpu_hint

if TYPE_CHECKING:
    from nvinx.bench.capacity import Capacity
    from nvinx.history.statistics import RunStatistics
    from nvinx.jobs.claim import Claim

_OFTEN = 2


def by_statistics(claim: Claim, statistics: RunStatistics) -> Claim:
    """With learned times, and with the whole card where its kind keeps running out of memory."""
    claim = statistics.with_runtimes(claim)
    if keeps_running_out(claim, statistics):
        return replace(claim, residency=Residency.GPU_EXCLUSIVE)
    return claim


def keeps_running_out(claim: Claim, statistics: RunStatistics) -> bool:
    """Whether shared jobs of this kind ran out so often of late that they get the card alone."""
    shares = claim.residency is Residency.GPU_SHARED
    return shares and statistics.ran_out(claim.kind) >= _OFTEN


def to_ram(claim: Claim, ram_mib: int) -> Claim:
    """With no more RAM than there is, as in Snakemake; what may spill needs what it says."""
    if claim.ram_mib <= ram_mib or claim.may_overflow:
        return claim
    return replace(claim, ram_mib=ram_mib)


def to_card(claim: Claim, capacity: Capacity) -> Claim:
    """With no more VRAM than the largest card of its name can give, where it states any."""
    cards = [c for c in capacity.cards if gpu_hint.matches(claim.card_name, c.name)]
    shares = claim.residency is Residency.GPU_SHARED
    most = max((card.shareable_mib if shares else card.total_mib for card in cards), default=0)
    if claim.vram_mib is None or not 0 < most < claim.vram_mib:
        return claim
    return replace(claim, vram_mib=most)
