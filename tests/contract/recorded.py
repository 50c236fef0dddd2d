"""A run's trace for tests, made through the very writer."""

from nvinx.admission.state import Job, Placement
from nvinx.bench.capacity import Card
from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason, Why
from nvinx.runs.trace import Trace
from nvinx.testing import FakeClock

CARD = Card(id="gpu-0", index=0, name="card", total_mib=4000, simulated=True)
BENCH = Bench(cards=(CARD,), cores=4, ram_mib=8000, models={}, origins={})
ALONE = Placement(Residency.GPU_EXCLUSIVE, Why.WHOLE_CARD, "gpu-0", 4000)
SHARED = Placement(Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, "gpu-0", 900)
CPU = Placement(Residency.CPU_ONLY, Why.NEEDS_NO_GPU)


class Recorder:
    """Writes a trace below a folder, at times that are told."""

    def __init__(self, folder, bench=BENCH):
        self.clock = FakeClock(100.0)
        self.trace = Trace(self.clock, folder)
        self.trace.begin(bench, 4, "engine", ["snakemake"])

    def at(self, seconds):
        self.clock.now = 100.0 + seconds
        return self.trace

    def job(self, name, times, placement=CPU, *, outcome=Outcome.OK, why=None, after=(), **claim):
        """times: submitted, started, ended, as far as it came. why: it waited last."""
        residency = placement.residency
        if residency.needs_vram:
            claim = {"vram_mib": placement.vram_mib, **claim}
        job = Job(name, name, Claim(residency=residency, **claim), "engine")
        self.at(times[0]).submitted(job, after)
        if why is not None:
            self.trace.waited(name, Reason(name, why, behind=("long",)))
        if len(times) > 1:
            self.at(times[1]).started(job, placement, (), 1.0)
        if len(times) > 2:
            self.at(times[2]).ended(name, outcome, None)
