"""Cards, claims, jobs and leases for tests: what a test does not speak of has a plain value here."""

from collections import Counter

from nvinx.admission.events import Start
from nvinx.admission.job import Job, Placement, Running
from nvinx.bench.capacity import Card
from nvinx.catalog import Residency
from nvinx.gpu.ports import GpuInventory, GpuState
from nvinx.history.runs import PastRun
from nvinx.interference.company import Company
from nvinx.jobs import card_share
from nvinx.jobs.claim import Claim
from nvinx.leases.ports import Lease
from nvinx.reasons import Why

_WHY = {
    Residency.GPU_SHARED: Why.FITS_BESIDE_OTHERS,
    Residency.GPU_EXCLUSIVE: Why.WHOLE_CARD,
    Residency.GPU_RAM_OVERFLOW: Why.SPILLS_TO_RAM,
    Residency.CPU_ONLY: Why.NEEDS_NO_GPU,
}


# Each kind of line that a bench file may have for one card.
BENCH_FILE = """\
# a bench
hardware:
  vram_gb: 4
  ram_gb: 15.5
  cpu_cores: 8
  simulated: true
  headroom_gb: 0.25
models:
  - name: fold
    vram_gb: 6
    residency: GPU_RAM_OVERFLOW
    ram_overflow_supported: true
    ram_gb_needed: 8
  - {name: embed, vram_gb: 0.9, residency: gpu_shared, cpu_fallback_supported: true}
interference: profile.json
"""


def card(index=0, **other):
    """A card `gpu-INDEX` of 4000 MiB, all of which may be handed out."""
    return Card(
        **{"id": f"gpu-{index}", "index": index, "name": "card", "total_mib": 4000, **other}
    )


def simulated_card(index=0, **other):
    return card(index, **{"id": f"simulated-{index}", "simulated": True, **other})


def gpu_state(index=0, **other):
    """The same card as its driver shows it; nobody uses it."""
    plain = {"id": f"gpu-{index}", "index": index, "name": "card", "total_mib": 4000, "used_mib": 0}
    return GpuState(**{**plain, **other})


def shared_claim(vram_mib=900, **other):
    return Claim(residency=Residency.GPU_SHARED, vram_mib=vram_mib, **other)


def part_claim(part="1/3", **other):
    """A part of whichever card."""
    return Claim(residency=Residency.GPU_SHARED, share=card_share.read(part), **other)


def exclusive_claim(**other):
    return Claim(residency=Residency.GPU_EXCLUSIVE, **other)


def spilling_claim(vram_mib=6000, ram_mib=4000, **other):
    """What is larger than the card, and may lie in host RAM for the rest."""
    return Claim(residency=Residency.GPU_RAM_OVERFLOW, vram_mib=vram_mib, ram_mib=ram_mib, **other)


def cpu_claim(**other):
    return Claim(residency=Residency.CPU_ONLY, **other)


def job(job_id, claim, *, name=None, engine="one"):
    """A job that is called what its id says, unless it has a name."""
    return Job(job_id, name or job_id, claim, engine)


def shared_job(job_id, vram_mib=900, *, engine="one", **claim):
    return job(job_id, shared_claim(vram_mib, **claim), engine=engine)


def part_job(job_id, part="1/3", *, engine="one", **claim):
    return job(job_id, part_claim(part, **claim), engine=engine)


def exclusive_job(job_id, *, engine="one", **claim):
    return job(job_id, exclusive_claim(**claim), engine=engine)


def spilling_job(job_id="big", *, engine="one", **claim):
    return job(job_id, spilling_claim(**claim), engine=engine)


def cpu_job(job_id, *, engine="one", **claim):
    return job(job_id, cpu_claim(**claim), engine=engine)


def granted(claim, **other):
    """The placement that gives what was claimed, on `gpu-0` if it is a GPU that was asked for."""
    asked = {
        "residency": claim.residency,
        "why": _WHY[claim.residency],
        "card": "gpu-0" if claim.uses_gpu else None,
        "vram_mib": card().need_mib(claim),
        "share": claim.share,
    }
    return Placement(**{**asked, **other})


def running(started, since=0.0, **placement):
    """A job that runs where it asked to, but for what `placement` says."""
    return Running(started, granted(started.claim, **placement), since)


def company(seconds, *names, at_end=False):
    """So long beside these, as often as they are named."""
    return Company(float(seconds), dict(Counter(names)), at_end)


def past_run(kind="embed", ran_s=1.0, *beside, **other):
    """A run of this kind that ended well on a shared card. beside: companies."""
    said = {"name": kind, "profile": kind, "residency": Residency.GPU_SHARED, "card": "card"}
    return PastRun(**{**said, "kind": kind, "ran_s": ran_s, "company": beside, **other})


def lease(held_by, since=0.0, **placement):
    """The lease of such a job."""
    return Lease(held_by, granted(held_by.claim, **placement), since)


def urgent_job(job_id="urgent", engine="two"):
    """One that asks jobs which agreed to it for their card."""
    return exclusive_job(job_id, engine=engine, priority=10, preempts=10, runtime_s=5.0)


def started(decisions):
    """The ids of the jobs that start."""
    return [d.job_id for d in decisions if isinstance(d, Start)]


class CardInUse:
    """A probe that sees nobody's processes on a card of 4096 MiB, but what they use."""

    def __init__(self):
        self.used_mib = 0

    def read(self):
        return GpuInventory((gpu_state(total_mib=4096, used_mib=self.used_mib),))
