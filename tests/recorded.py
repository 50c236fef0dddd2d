"""A run's trace for tests, made through the very writer."""

from builders import card, cpu_claim, exclusive_claim, granted, job, shared_claim

from nvinx.bench.resolve import Bench
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason
from nvinx.runs.trace import Trace
from nvinx.testing import FakeClock

CARD = card(simulated=True)
BENCH = Bench(cards=(CARD,), cores=4, ram_mib=8000, models={}, origins={})
ALONE = granted(exclusive_claim(), vram_mib=4000)
SHARED = granted(shared_claim())
CPU = granted(cpu_claim())


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
        if placement.share is not None:
            claim = {"share": placement.share, **claim}
        elif residency.needs_vram:
            claim = {"vram_mib": placement.vram_mib, **claim}
        asked = job(name, Claim(residency=residency, **claim), engine="engine")
        self.at(times[0]).submitted(asked, after)
        if why is not None:
            self.trace.waited(name, Reason(name, why, behind=("long",)))
        if len(times) > 1:
            self.at(times[1]).started(asked, placement, (), 1.0)
        if len(times) > 2:
            self.at(times[2]).ended(name, outcome, None)
