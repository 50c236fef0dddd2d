"""How a claim is changed before it is queued: by what runs taught, and to what there is. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.history.size_model import FEWEST
from nvinx.jobs import gpu_hint
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.job import Job
    from nvinx.bench.capacity import Capacity
    from nvinx.history.statistics import RunStatistics
    from nvinx.jobs.claim import Claim

_OFTEN = 2
_MUCH = 0.05  # of a share: smaller changes are not worth a turn at the ledger


def by_statistics(claim: Claim, statistics: RunStatistics, largest_mib: int) -> Claim:
    """With learned times and VRAM, and the whole card where its kind keeps running out.

    largest_mib: what a job that shares can have at most.
    """
    claim = _with_vram(statistics.with_runtimes(claim), statistics, largest_mib)
    if keeps_running_out(claim, statistics):
        return claim.after_running_out()
    return claim


def _with_vram(claim: Claim, statistics: RunStatistics, largest_mib: int) -> Claim:
    """A share of the card for a job whose need is to be learned, once it is known."""
    if not claim.auto_vram or claim.vram_mib is not None:
        return claim
    need_mib = statistics.vram_mib(claim.kind, claim.size)
    if need_mib is None or need_mib > largest_mib:
        return claim
    return replace(claim, residency=Residency.GPU_SHARED, vram_mib=need_mib)


def to_learn_by(jobs: Sequence[Job]) -> list[Job]:
    """In an order in which jobs whose VRAM is to be learned teach most; others keep their place.

    Of each kind the smallest inputs come first, as they are soon done, and then the largest ones:
    what lies between is then known.
    """
    places = [n for n, job in enumerate(jobs) if job.claim.auto_vram]
    by_size = sorted((jobs[n] for n in places), key=lambda job: job.claim.size or 0.0)
    seen: Counter[str] = Counter()
    small: list[Job] = []
    large: list[Job] = []
    for job in by_size:
        (small if seen[job.claim.kind] < FEWEST else large).append(job)
        seen[job.claim.kind] += 1
    order = dict(zip(places, [*small, *reversed(large)], strict=True))
    return [order.get(n, job) for n, job in enumerate(jobs)]


def learned(claim: Claim, statistics: RunStatistics, largest_mib: int) -> Claim:
    """A waiting job's claim by what runs have taught since; the same where that is much the same.

    Only for what has not run out of memory before, as a step of the ladder is not taken back.
    """
    if not claim.auto_vram or claim.residency.uses_gpu is False:
        return claim
    unknown = replace(claim, residency=Residency.GPU_EXCLUSIVE, vram_mib=None)
    new = by_statistics(unknown, statistics, largest_mib)
    if new.vram_mib is None or claim.vram_mib is None:
        return claim if new.vram_mib is claim.vram_mib else new
    return new if abs(new.vram_mib - claim.vram_mib) > _MUCH * claim.vram_mib else claim


def keeps_running_out(claim: Claim, statistics: RunStatistics) -> bool:
    """Whether shared jobs of this kind ran out so often of late that they get the card alone.

    Not where what they need is learned: then each such job has taught it.
    """
    shares = claim.residency is Residency.GPU_SHARED and not claim.auto_vram
    return shares and statistics.ran_out(claim.kind) >= _OFTEN


def to_ram(claim: Claim, ram_mib: int) -> Claim:
    """With no more RAM than there is, as in Snakemake; what may spill needs what it says."""
    if claim.ram_mib <= ram_mib or claim.may_overflow:
        return claim
    return replace(claim, ram_mib=ram_mib)


def to_card(claim: Claim, capacity: Capacity) -> Claim:
    """With no more VRAM than the largest cards of its name can give, where it states any."""
    cards = [c for c in capacity.cards if gpu_hint.matches(claim.card_name, c.name)]
    shares = claim.residency is Residency.GPU_SHARED
    sizes = sorted(card.shareable_mib if shares else card.total_mib for card in cards)
    most = sizes[-claim.cards.least] if len(sizes) >= claim.cards.least else 0
    if claim.vram_mib is None or not 0 < most < claim.vram_mib:
        return claim
    return replace(claim, vram_mib=most)
