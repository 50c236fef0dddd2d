"""Nobody starves, whatever comes after: streams of newcomers that never stop.

The bound. Let D be the longest time a job really runs, C the longest chain, P the patience. A chain
counts for 4 seconds of age each, so none that comes 4 C after a job goes before it; for a CPU job,
no GPU job that comes 10 P later either. From then on those before it are a fixed number n. The first
of them has a reservation that binds after P; all that runs and is in its way ends within D, and as
long may a CPU job of its size have to end first. So a job starts at most (n + 1) 2 D + P after
that, not counting the time in which programs outside nvinx use the cards.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import cycle, product

from builders import card, cpu_claim, exclusive_claim, job, shared_claim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission.card_sets import fewest
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import CardsChanged, Finished, Start, Submitted
from nvinx.admission.job import Job
from nvinx.admission.planner.planner import Planner
from nvinx.admission.planner.work import LONG, Upcoming
from nvinx.admission.policy import LongestChainFirst, options
from nvinx.admission.state import State
from nvinx.admission.step import apply, check, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.interference import CoRun
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.claim import Claim
from nvinx.reasons import Reason, Why

LONGEST_S, LONGEST_CHAIN_S, PATIENCE_S = 8, 3, 2
CHAIN_COUNTS, CPU_PATIENCE_S = 4, 10 * PATIENCE_S
OUTSIDE_S, UNTIL_S = 30, 300
COUNTS = (CardCount(1, 1), CardCount(1, 1), CardCount(2, 2), CardCount(1, 2), CardCount(2, 3))
MODELS = (None, "hot", "cool", "never run beside another")
SLOWDOWNS = fit_slowdown_model(
    [
        CoRun("hot", "hot", 3.0, 3.0),
        CoRun("cool", "cool", 1.1, 1.1),
        CoRun("hot", "cool", 1.5, 1.6),
    ]
)


@dataclass(frozen=True)
class Work:
    """A claim, and how long it really runs."""

    claim: Claim
    lasts_s: int


@dataclass(frozen=True)
class Story:
    capacity: Capacity
    estimates: Estimates
    first: tuple[Work, ...]
    newcomers: tuple[Work, ...]
    every_s: int
    outside: tuple[tuple[int, int], ...]


seconds = st.integers(1, 2 * LONGEST_S)


@st.composite
def works(draw, residencies, seconds, counts):
    residency = draw(st.sampled_from(residencies))
    claim = Claim(
        residency=residency,
        vram_mib=draw(st.integers(0, 5) | st.integers(100, 5000)) if residency.uses_gpu else None,
        ram_mib=draw(st.sampled_from([0, 0, 3000, 8000])),
        cores=draw(st.integers(0, 4)),
        cpu_fallback=draw(st.booleans()),
        ram_overflow=draw(st.booleans()),
        model=draw(st.sampled_from(MODELS)),
        max_slowdown=draw(st.sampled_from([None, 1.05, 1.3, 2.0])),
        runtime_s=draw(seconds),
        cpu_runtime_s=draw(seconds),
        chain_s=draw(st.integers(0, LONGEST_CHAIN_S)),
        cards=draw(st.sampled_from(counts)),
    )
    return Work(claim, draw(st.integers(1, LONGEST_S)))


def stories_of(works):
    return st.builds(
        Story,
        capacity=st.builds(
            lambda sizes, cores: Capacity(
                tuple(card(i, total_mib=mib, headroom_mib=300) for i, mib in enumerate(sizes)),
                cores,
                8000,
            ),
            st.lists(st.sampled_from([2000, 4000, 4000, 5500]), min_size=1, max_size=4),
            st.integers(1, 6),
        ),
        estimates=st.sampled_from([Estimates(), Estimates(SLOWDOWNS)]),
        first=st.lists(works, min_size=1, max_size=5).map(tuple),
        newcomers=st.lists(works, min_size=1, max_size=5).map(tuple),
        every_s=st.integers(1, 4),
        outside=st.lists(
            st.tuples(st.integers(0, OUTSIDE_S), st.integers(0, 5500)), max_size=4
        ).map(tuple),
    )


stories = stories_of(works(list(Residency), st.none() | seconds, COUNTS))
plannable = [r for r in Residency if r is not Residency.GPU_RAM_OVERFLOW]
told = stories_of(works(plannable, seconds, COUNTS))


@dataclass
class Played:
    """What happened; raises as soon as something happened that must not."""

    story: Story
    most_waiting: int = 6
    since: dict[str, float] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    decisions: list[object] = field(default_factory=list)

    def __post_init__(self):
        self.policy = LongestChainFirst(self.story.estimates, patience_s=PATIENCE_S)
        self.state = State(self.story.capacity)
        self.lasts, self.ends = {}, []

    def take(self, event):
        self.state, decisions = step(self.state, event, self.policy)
        self.decisions.append(decisions)
        check(self.state)
        for start in decisions:
            if isinstance(start, Start):
                assert start.job_id not in self.started, "started twice"
                self.started[start.job_id] = event.at
                heappush(self.ends, (event.at + self.lasts[start.job_id], start.job_id))
                self._is_within_what_outside_use_leaves(start)
            else:
                del self.since[start.job_id]
        self._no_card_idles(event.at)

    def submit(self, works, at):
        jobs = []
        for work in works:
            name = str(len(self.lasts))
            jobs.append(job(name, work.claim, engine=f"engine {len(name) % 2}"))
            self.lasts[name], self.since[name], self.claims[name] = work.lasts_s, at, work.claim
        self.take(Submitted(tuple(jobs), at))

    def until(self, end_s):
        newcomers = cycle(self.story.newcomers)
        looks = [*sorted(self.story.outside), (OUTSIDE_S, 0)]
        self.submit(self.story.first, 0.0)
        for now in range(end_s):
            while self.ends and self.ends[0][0] <= now:
                self.take(Finished(heappop(self.ends)[1], now))
            while looks and looks[0][0] <= now:
                self._look(looks.pop(0)[1], now)
            if now % self.story.every_s == 0:
                some = max(self.most_waiting - len(self.state.waiting), 0)
                self.submit([next(newcomers) for _ in range(some)], now)
        return self

    def _look(self, foreign_mib, now):
        cards = self.state.capacity.cards
        foreign = [min(foreign_mib // (1 + card.index), card.total_mib) for card in cards]
        seen = (replace(c, foreign_mib=mib) for c, mib in zip(cards, foreign, strict=True))
        self.take(CardsChanged(tuple(seen), now))

    def _is_within_what_outside_use_leaves(self, start):
        for card_id in start.placement.cards:
            card = self.state.capacity.card(card_id)
            held = sum(r.placement.mib_on(card_id) for r in self.state.on_card(card_id))
            most = card.alone_mib if start.placement.alone else card.budget_mib
            assert not start.placement.mib_on(card_id) or held <= most

    def _reasons(self, at):
        """Whoever would start in another round waits for that alone."""
        decided = self.policy.decide(self.state, at)
        starts = {
            start.job_id: Reason(start.job_id, Why.BEHIND_OLDER_JOB) for start in decided.starts
        }
        return {i: starts.get(i) or decided.reason(w.job) for i, w in self.state.waiting.items()}

    def _no_card_idles(self, at):
        """But for a card that a reservation wants whole, or whose jobs lack cores, RAM or VRAM."""
        running, capacity = self.state.running.values(), self.state.capacity
        cores = capacity.cores - sum(r.job.claim.cores for r in running)
        ram = capacity.ram_mib - sum(r.placement.ram_mib for r in running)
        idle = [card for card in capacity.cards if not self.state.on_card(card.id)]
        reasons = self._reasons(at) if idle else {}
        names = [name for name in reasons if self.claims[name].uses_gpu]
        asked = {*names, *(name for name, when in self.started.items() if when == at)}
        if any(self._was_passed_by(name, at) for name in asked):
            return  # its place in the queue may change once those with longer chains have started
        nobody_named = any(r.why is Why.BEHIND_OLDER_JOB and not r.behind for r in reasons.values())
        if cores == 0 and nobody_named:
            return  # without a free core those who need one are passed over, reservation and all
        for some, name in product([*([one] for one in idle), idle], names):
            claim = self.claims[name]
            if claim.cores > cores or claim.ram_mib > ram or not _fit(some, claim, capacity):
                continue
            assert reasons[name].why is Why.BEHIND_OLDER_JOB, reasons[name]
            reserved = self.claims[reasons[name].behind[0]]
            both_on_machine = (
                claim.cores + reserved.cores <= cores and claim.ram_mib + reserved.ram_mib <= ram
            )
            one_could_do = any(_fits(unused, reserved, capacity) for unused in some)
            assert not both_on_machine or one_could_do, reasons[name]

    def _was_passed_by(self, name, at):
        claim = self.claims[name]
        if not claim.is_wide or claim.runtime_s is None:
            return False
        return at - self.since[name] > claim.runtime_s / 2

    def deadline_s(self, name, later=CHAIN_COUNTS * LONGEST_CHAIN_S):
        """When the job must have started; see the head of this file."""
        claim, since = self.claims[name], self.since[name]
        later += 0 if claim.uses_gpu else CPU_PATIENCE_S
        fixed = max(since + later, OUTSIDE_S)
        before = [other for other, at in self.since.items() if at <= fixed and other != name]
        before = [other for other in before if self.started.get(other, UNTIL_S) >= since]
        return fixed + PATIENCE_S + (len(before) + 1) * 2 * LONGEST_S


def _fit(cards, claim, capacity):
    """Whether these cards, empty as they are, are enough for the job."""
    able = [card for card in cards if _fits(card, claim, capacity)]
    best = options(claim, capacity)[0]
    return best.uses_gpu and fewest(claim, best, able) is not None


@dataclass
class Planned(Played):
    """The same with a plan before each round, and with jobs that could come and never do."""

    plans: int = 0
    kept_until_s: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        self.plain = self.policy
        self.planner = Planner(self.story.estimates, patience_s=PATIENCE_S, most_asked=600)

    def take(self, event):
        state, _ = apply(self.state, event, self.policy)
        claim = self.story.newcomers[0].claim
        never = Upcoming(Job(f"never-{event.at // 5}", "never", claim, "one"))
        plan = self.planner.plan(state, event.at, [never])
        self.plans += bool(plan.rank)
        self.kept_until_s = plan.until_s if plan.awaited else 0.0
        self.policy = self.plain.following(plan)
        super().take(event)
        self.planner.observe(self.state, event.at)

    def _no_card_idles(self, at):
        """But where a place is kept."""
        if at > self.kept_until_s:
            super()._no_card_idles(at)

    def deadline_s(self, name):
        """A plan lets others go before a job until it has waited for ten times its run time."""
        length_s = max(self.claims[name].runtime_s, self.claims[name].cpu_runtime_s, PATIENCE_S)
        later = CHAIN_COUNTS * LONGEST_CHAIN_S + LONG * length_s
        return super().deadline_s(name, later)


def _fits(card, claim, capacity):
    """Whether the card, empty as it is, holds the job, or its part of a gang."""
    best = options(claim, capacity)[0]
    if best is Residency.GPU_SHARED:
        return claim.vram_mib <= card.budget_mib and card.alone_mib > 0
    if best is Residency.GPU_EXCLUSIVE:
        return (claim.vram_mib or 0) <= card.alone_mib and card.alone_mib > 0
    spills = best is Residency.GPU_RAM_OVERFLOW and card.alone_mib > 0
    least_mib = 1 if claim.is_gang else claim.least_on_card_mib
    return spills and least_mib <= card.weights_mib


SETTINGS = settings(max_examples=50, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(stories)
def test_every_job_starts_in_time_however_many_come_after_it(story):
    played = Played(story).until(UNTIL_S)
    for name in played.since:
        deadline_s = played.deadline_s(name)
        if deadline_s < UNTIL_S:
            assert name in played.started, f"{name} waits since {played.since[name]}"
            assert played.started[name] <= deadline_s


@settings(SETTINGS, max_examples=20)
@given(told)
def test_with_plans_too_every_job_starts_in_time_however_many_come_after_it(story):
    played = Planned(story).until(UNTIL_S)
    for name in played.since:
        deadline_s = played.deadline_s(name)
        if deadline_s < UNTIL_S:
            assert name in played.started, f"{name} waits since {played.since[name]}"
            assert played.started[name] <= deadline_s


@settings(SETTINGS, max_examples=15)
@given(told)
def test_the_same_events_give_the_same_plans(story):
    first, again = Planned(story).until(40), Planned(story).until(40)
    assert (first.decisions, first.plans) == (again.decisions, again.plans)


def test_a_stream_of_jobs_without_cores_that_fill_the_ram_starves_nobody():
    whole_card, all_ram = exclusive_claim(vram_mib=0, cores=0), cpu_claim(ram_mib=8000)
    story = Story(
        capacity=Capacity((card(total_mib=2000, headroom_mib=300),), 1, 8000),
        estimates=Estimates(),
        first=(
            Work(whole_card, 1),
            Work(all_ram, 1),
            Work(whole_card, 1),
            Work(whole_card, 1),
            Work(replace(whole_card, ram_mib=3000, chain_s=1), 3),
        ),
        newcomers=(Work(replace(all_ram, cores=0), 5),),
        every_s=1,
        outside=(),
    )
    played = Played(story).until(UNTIL_S)
    assert played.started["1"] <= played.deadline_s("1")


@settings(SETTINGS, max_examples=15)
@given(stories)
def test_the_same_events_give_the_same_decisions(story):
    assert Played(story).until(40).decisions == Played(story).until(40).decisions


def test_jobs_that_overrun_do_not_send_a_reservation_from_card_to_card_for_ever():
    def share(mib, says_s, lasts_s):
        return Work(shared_claim(mib, runtime_s=says_s), lasts_s)

    newcomers = (share(500, 1, 8), share(900, 1, 2), share(900, 8, 3), share(1300, 1, 3))
    alone = Work(exclusive_claim(), 3)
    first = (*newcomers[:3], alone)
    story = Story(Capacity((card(0), card(1)), 16, 8000), Estimates(), first, newcomers, 2, ())
    played = Played(story, most_waiting=4).until(100)
    assert played.started["3"] <= CPU_PATIENCE_S + LONGEST_S
