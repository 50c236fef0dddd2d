"""A simulated lab whose rules need more VRAM the larger their input is, played four ways.

Twelve rules, four each constant, linear and quadratic in size, 40 runs each; needs and times vary
by 10 %. With `auto` nothing is declared and nvinx learns; `again` is the same lab a second time,
with what was learned; with `maximum` each rule declares the most that any of its jobs takes;
`oracle` knows each job's own need. The broker, the queue, the history's statistics and the ladder
are nvinx's own; time, card and ledger are made up.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, field
from statistics import mean

from msgspec.structs import replace

from nvinx.admission import adjust, retry
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Start
from nvinx.admission.job import Job
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity, Card
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.leases.broker import Broker
from nvinx.leases.ports import Ports
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

RULES, RUNS, NOISE = 12, 40, 0.1
CARD_MIB = 24_000
WARM = 10  # runs of a rule after which it counts as known
MODES = ("auto", "again", "maximum", "oracle")
SIZES = (100.0, 2000.0)
FAILS_AFTER = 0.3  # of its time, a job finds that it lacks memory
CAPACITY = Capacity((Card(id="gpu-0", index=0, name="card", total_mib=CARD_MIB),), cores=64)


@dataclass(frozen=True)
class Work:
    """One job as it is in truth. before: how many of its rule are asked for before it."""

    name: str
    rule: str
    size: float
    need_mib: int
    duration_s: float


@dataclass
class Tally:
    """What a lab's run came to. Of jobs of rules that had run WARM times: how many there were, how
    many ran out once or more, and what each held over what it used."""

    makespan_s: float = 0.0
    known: int = 0
    ran_out: set[str] = field(default_factory=set)
    held_over_used: list[float] = field(default_factory=list)

    @property
    def share_out(self) -> float:
        return len(self.ran_out) / self.known


def lab(seed: int) -> list[Work]:
    """All jobs, in the order in which they are asked for."""
    rng = random.Random(seed)
    works = []
    for rule in range(RULES):
        power = rule % 3
        base, span = rng.uniform(300, 1500), rng.uniform(2000, 8000)
        for run in range(RUNS):
            size = rng.uniform(*SIZES)
            grown = (size / SIZES[1]) ** power if power else 0.3
            noise = max(rng.gauss(1, NOISE), 0.5)
            seconds = (20 + 100 * grown) * max(rng.gauss(1, NOISE), 0.5)
            need_mib = round((base + span * grown) * noise)
            works.append(Work(f"rule{rule}[{run}]", f"rule{rule}", size, need_mib, seconds))
    rng.shuffle(works)
    return works


class Lab:
    """Plays works on one card, as the executor would."""

    def __init__(
        self, works: list[Work], mode: str, statistics: RunStatistics | None = None
    ) -> None:
        self._works = {work.name: work for work in works}
        self._mode = mode
        self._most = {w.rule: max(o.need_mib for o in works if o.rule == w.rule) for w in works}
        self._clock = FakeClock()
        self.statistics = statistics or RunStatistics()
        ports = Ports(MemoryLedger(), FakeLiveness(), self._clock)
        policy = LongestChainFirst(Estimates(statistics=self.statistics))
        self._broker = Broker("lab", CAPACITY, ports, policy, self.statistics)
        self._jobs: dict[str, Job] = {}
        self._tried: dict[str, list[retry.RetryStep]] = {}
        self._ends: list[tuple[float, str]] = []
        self._done: dict[str, int] = {}
        self._tally = Tally()

    def play(self) -> Tally:
        jobs = [Job(w.name, w.name, self._claim(w), "lab") for w in self._works.values()]
        jobs = [replace(job, claim=self._by_statistics(job.claim)) for job in jobs]
        self._submit(adjust.to_learn_by(jobs))
        while self._ends:
            self._clock.now, name = heapq.heappop(self._ends)
            self._end(name)
            self._renew()
        self._tally.makespan_s = self._clock.now
        return self._tally

    def _claim(self, work: Work) -> Claim:
        plain = Claim(residency=Residency.GPU_EXCLUSIVE, kind=work.rule, size=work.size)
        if self._mode in ("auto", "again"):
            return replace(plain, auto_vram=True)
        most = work.need_mib if self._mode == "oracle" else self._most[work.rule]
        return replace(plain, residency=Residency.GPU_SHARED, vram_mib=most)

    def _submit(self, jobs: list[Job]) -> None:
        self._jobs |= {job.id: job for job in jobs}
        self._act(self._broker.submit(jobs))

    def _by_statistics(self, claim: Claim) -> Claim:
        return adjust.by_statistics(claim, self.statistics, CAPACITY.largest_share_mib())

    def _learned(self, claim: Claim) -> Claim:
        return adjust.learned(claim, self.statistics, CAPACITY.largest_share_mib())

    def _act(self, decisions) -> None:
        for decision in decisions:
            assert isinstance(decision, Start), decision
            work, held_mib = self._works[decision.job_id], decision.placement.vram_mib
            share = 1.0 if held_mib >= work.need_mib else FAILS_AFTER
            heapq.heappush(self._ends, (self._clock.now + share * work.duration_s, work.name))
            if self._done.get(work.rule, 0) >= WARM and work.name not in self._tried:
                self._tally.known += 1
                self._tally.held_over_used.append(held_mib / work.need_mib)

    def _end(self, name: str) -> None:
        work, job = self._works[name], self._jobs[name]
        held = self._broker.state.running[name].placement.vram_mib
        if held >= work.need_mib:
            self._done[work.rule] = self._done.get(work.rule, 0) + 1
            self._act(self._broker.finish(name, Outcome.OK, work.need_mib))
            return
        if self._done.get(work.rule, 0) >= WARM:
            self._tally.ran_out.add(name)
        self._act(self._broker.finish(name, Outcome.OUT_OF_MEMORY, held))
        tried = self._tried.setdefault(name, [])
        step, claim = retry.next_attempt(job.claim, tried, CAPACITY)
        tried.append(step)
        again = replace(job, claim=claim)
        self._jobs[name] = again
        self._act(self._broker.submit([again]))

    def _renew(self) -> None:
        """Queue those jobs anew of which it is now known what they need, as the dispatcher does."""
        waiting = [w.job for w in self._broker.state.waiting.values()]
        first = [job for job in waiting if job.id not in self._tried]
        news = [replace(job, claim=self._learned(job.claim)) for job in first]
        changed = [new for new, job in zip(news, first, strict=True) if new != job]
        if changed:
            self._act(self._broker.withdraw(job.id for job in changed))
            self._submit(changed)


def play_all(seed: int) -> dict[str, Tally]:
    """One lab, in every way; `again` with what `auto` has learned."""
    first = Lab(lab(seed), "auto")
    played = {"auto": first.play()}
    played["again"] = Lab(lab(seed), "again", first.statistics).play()
    return played | {mode: Lab(lab(seed), mode).play() for mode in MODES[2:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4, help="how many labs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first lab")
    options = parser.parse_args()
    print("mode      held/used  ran out  makespan  over oracle")
    played: dict[str, list[Tally]] = {mode: [] for mode in MODES}
    for seed in range(options.first, options.first + options.seeds):
        for mode, tally in play_all(seed).items():
            played[mode].append(tally)
    for mode, tallies in played.items():
        held = mean(mean(t.held_over_used) for t in tallies)
        out = mean(t.share_out for t in tallies)
        makespan_s = mean(t.makespan_s for t in tallies)
        over = mean(
            t.makespan_s / o.makespan_s for t, o in zip(tallies, played["oracle"], strict=True)
        )
        print(f"{mode:9} {held:9.2f} {out:8.1%} {makespan_s:8.0f} s {over:11.2f}")


if __name__ == "__main__":
    main()
