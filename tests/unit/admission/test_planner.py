"""A look ahead: what it foresees, when it is worth its time, and what it may not do."""

import random
import statistics

import pytest
from builders import card, cpu_job, exclusive_job, part_job, past_run, shared_job, spilling_claim
from builders import job as job_of
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission import done
from nvinx.admission.estimates import NONE, Estimates
from nvinx.admission.events import Start, Submitted
from nvinx.admission.planner.awaited import AWAITED_S, SHARE, Awaited
from nvinx.admission.planner.companies import Companies
from nvinx.admission.planner.holdings import Holdings
from nvinx.admission.planner.horizon import ON_CARD, Horizon
from nvinx.admission.planner.plan import NO_PLAN, Plan
from nvinx.admission.planner.planner import PATIENCE_S, Planner, pays
from nvinx.admission.planner.play import play
from nvinx.admission.planner.rule import TODAY, Rule
from nvinx.admission.planner.search import MOST_WAIT, _Search, search
from nvinx.admission.planner.work import LONG, Upcoming
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.progress import Progress
from nvinx.admission.state import State
from nvinx.admission.step import admit, apply, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.interference import CoRun
from nvinx.interference.company import Company
from nvinx.jobs.card_count import CardCount
from nvinx.simulation.generate import KINDS, bag, gangs
from nvinx.simulation.simulate import simulate

MODELS = [("hot", 900), ("cool", 1200), ("warm", 2000)]
SLOWDOWNS = fit_slowdown_model(
    [
        CoRun("hot", "hot", 3.0, 3.0),
        CoRun("cool", "cool", 1.1, 1.1),
        CoRun("hot", "cool", 1.5, 1.6),
        CoRun("warm", "cool", 1.3, 1.2),
        CoRun("warm", "hot", 1.8, 1.4),
    ]
)
ESTIMATES = Estimates(SLOWDOWNS)
CAPACITY = Capacity((card(),), 8, 64_000)
TWO = Capacity((card(0), card(1, total_mib=2500)), 8, 64_000)
POLICY = LongestChainFirst(ESTIMATES)


def waiting(*jobs, capacity=CAPACITY, at=0.0):
    state, _ = apply(State(capacity), Submitted(jobs, at), POLICY)
    return state


def beginning(workload, capacity):
    """The state in which a workload begins, and what comes later."""
    here = [n for n, t in workload.tasks.items() if not t.after and t.release_s <= 0]
    state = waiting(*(workload.job(name) for name in here), capacity=capacity)
    later = [
        Upcoming(workload.job(name), task.after, task.release_s)
        for name, task in workload.tasks.items()
        if name not in here
    ]
    return state, later


def work_of(state, upcoming=(), at=0.0):
    return Horizon(state, at, Companies(ESTIMATES)).work(
        Progress(ESTIMATES).done, upcoming, PATIENCE_S
    )


def versions(name, runtime_s, cpu_runtime_s, **other):
    times = {"runtime_s": runtime_s, "cpu_runtime_s": cpu_runtime_s}
    return shared_job(name, 4000, cpu_fallback=True, **times, **other)


# what is foreseen

seeds = st.integers(0, 10_000)
kinds = st.sampled_from(sorted(KINDS))


@settings(max_examples=30, deadline=None)
@given(kinds, seeds, st.sampled_from([CAPACITY, TWO]))
def test_a_plan_is_never_foreseen_to_end_later_than_today_s_rules(kind, seed, capacity):
    work = work_of(*beginning(KINDS[kind](MODELS, random.Random(seed)), capacity))
    found = search(work, most_asked=2000)
    assert found.end_s <= found.today_s
    assert found == search(work, most_asked=2000), "the same work, another plan"


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_what_is_foreseen_of_today_s_rules_is_what_they_do(seed):
    workload = bag(MODELS, random.Random(seed), size=20)
    foreseen = play(work_of(*beginning(workload, CAPACITY)), TODAY)
    played = simulate(workload, CAPACITY, POLICY, ESTIMATES)
    # Ends are estimated anew in each round there, by who is beside a job then.
    assert foreseen.end_s == pytest.approx(played.makespan_s, rel=0.05)


def test_a_play_is_given_up_once_it_cannot_end_in_time():
    work = work_of(waiting(exclusive_job("a", runtime_s=10), exclusive_job("b", runtime_s=10)))
    assert play(work, TODAY).end_s == pytest.approx(20)
    assert play(work, TODAY, limit_s=19).end_s == float("inf")


def test_the_work_of_a_plan_is_bounded_however_many_wait():
    jobs = [shared_job(f"j{k}", 900, model="cool", runtime_s=10 + k) for k in range(3000)]
    work = work_of(waiting(*jobs))
    assert len(work.jobs) == ON_CARD
    a_play = play(work, TODAY).asked
    assert search(work, most_asked=5000).asked <= 5000 + 2 * a_play


def test_jobs_that_open_soon_are_counted_and_those_behind_unknown_ones_are_not():
    state = waiting(exclusive_job("a", runtime_s=10))
    then, last = exclusive_job("then", runtime_s=30), cpu_job("last", runtime_s=5)
    upcoming = [Upcoming(then, ("a",)), Upcoming(last, ("then",), release_s=60.0)]
    assert play(work_of(state, upcoming), TODAY).end_s == pytest.approx(65)
    many = waiting(*(exclusive_job(f"x{k}", runtime_s=1) for k in range(ON_CARD + 1)))
    beyond = list(many.waiting)[-1]
    assert len(work_of(many, [Upcoming(last, (beyond,))]).jobs) == ON_CARD


def running(*jobs, at=0.0, capacity=CAPACITY):
    """The state in which all of these started at once."""
    state = waiting(*jobs, at=at, capacity=capacity)
    state, decided = admit(state, at, POLICY)
    assert len(decided.starts) == len(jobs)
    return state


def test_those_who_have_just_started_count_from_then_on():
    progress = Progress(ESTIMATES)
    hot, other = shared_job("a", 900, model="hot"), shared_job("b", 900, model="cool")
    alone = running(hot)
    progress.observe(alone, 0.0)
    progress.observe(alone, 10.0)
    progress.observe(running(hot, other), 10.0)
    progress.observe(alone, 40.0)  # the other has just ended
    beside_s = 30.0 / ESTIMATES.slowdown(hot.claim, [other.claim])
    assert progress.done.by("a", 40.0) == pytest.approx(10.0 + beside_s)


def test_who_is_suspended_stands_still():
    progress = Progress(ESTIMATES)
    runs = running(shared_job("a", 900, model="cool"))
    progress.observe(runs, 0.0)
    progress.observe(replace(runs, running={}, suspended=runs.running), 10.0)
    beside = running(*(shared_job(name, 900, model=name) for name in ("cool", "hot")))
    back = replace(beside, running={**runs.running, **beside.running})
    progress.observe(back, 50.0)
    assert progress.done.by("a", 50.0) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("work_s", "left_s"),
    [(100.0, 5.0), (95.0 + 1e-9, 1e-3), (95.0 - 1e-9, 1e-3), (90.0, 47.5)],
    ids=["soon done", "done to rounding", "done by rounding", "late"],
)
def test_half_of_its_age_is_given_to_one_that_is_late_and_to_nobody_else(work_s, left_s):
    assert done.left_s(work_s, 95.0) == pytest.approx(left_s)


def ends_s(workload):
    """As the first plan foresaw, and as it came, where what is believed is true."""
    true = Estimates(SLOWDOWNS, caution=NONE)
    planner = Planner(true, most_asked=1000)
    foreseen_s = []
    plan = planner.plan

    def telling(*args):
        made = plan(*args)
        foreseen_s.append(made.end_s)
        return made

    planner.plan = telling
    played = simulate(workload, CAPACITY, LongestChainFirst(true), true, planner=planner)
    return next((end_s for end_s in foreseen_s if end_s), played.makespan_s), played.makespan_s


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_all_but_today_s_rules_have_an_order_which_the_plan_gives(kind):
    for seed in range(3):
        work = work_of(*beginning(KINDS[kind](MODELS, random.Random(seed)), CAPACITY))
        rule = search(work, None, 3000, 1).rule
        assert (rule.order is None) == (rule is TODAY)


def test_work_ends_as_the_first_plan_foresaw_or_sooner():
    # Not always: of today's rules, which may take over, less is foreseen.
    both = [ends_s(KINDS[kind](MODELS, random.Random(n))) for kind in sorted(KINDS) for n in (0, 1)]
    late = [came for foreseen, came in both if came > 1.005 * foreseen]
    assert len(late) <= 0.1 * len(both)


# several cards at once

PAIR = Capacity((card(0), card(1)), 8, 64_000)
BOTH, UP_TO_BOTH = CardCount(2, 2), CardCount(1, 2)


class NoChange(Planner):
    """Has today's rules followed, and knows what those who run have done."""

    def _look_ahead(self, state, at, upcoming):
        return NO_PLAN


@pytest.mark.parametrize("cards", [2, 3, 4])
def test_what_is_foreseen_of_gangs_by_today_s_rules_is_what_they_do(cards):
    capacity = Capacity(tuple(card(n) for n in range(cards)), 8 * cards, 64_000)
    ratios = []
    for seed in range(12):
        workload = gangs(MODELS, random.Random(seed), cards, size=20)
        foreseen = play(work_of(*beginning(workload, capacity)), TODAY)
        played = simulate(workload, capacity, POLICY, ESTIMATES, planner=NoChange(ESTIMATES))
        assert len(foreseen.waited_s) == 2
        ratios.append(foreseen.end_s / played.makespan_s)
    assert statistics.fmean(ratios) == pytest.approx(1, abs=0.005)
    assert sum(ratio == pytest.approx(1, abs=1e-6) for ratio in ratios) >= 10


@pytest.mark.parametrize(
    ("count", "end_s"), [(BOTH, 40 + 30), (UP_TO_BOTH, 40)], ids=["two cards", "one will do"]
)
def test_a_job_of_several_cards_starts_once_it_can_have_all_that_it_needs(count, end_s):
    # Of the two that run, one is there for 10 and one for 40 seconds.
    state = running(*(exclusive_job(f"there{s}", runtime_s=s) for s in (10, 40)), capacity=PAIR)
    gang = exclusive_job("gang", runtime_s=30, cards=count)
    state, _ = apply(state, Submitted((gang,), 0.0), POLICY)
    assert play(work_of(state), TODAY).end_s == pytest.approx(end_s)


def test_a_job_of_several_cards_works_at_the_pace_of_the_slowest():
    gang = shared_job("gang", 900, model="hot", runtime_s=100, cards=BOTH)
    beside = shared_job("beside", 900, model="warm", runtime_s=1000)
    state = running(gang, beside, capacity=PAIR)
    assert len(state.on_card("gpu-0")) + len(state.on_card("gpu-1")) == 3
    slowdown = ESTIMATES.slowdown(gang.claim, [beside.claim])
    progress = Progress(ESTIMATES)
    progress.observe(state, 0.0)
    progress.observe(state, 50.0)
    assert progress.done.by("gang", 50.0) == pytest.approx(50.0 / slowdown)
    work = Horizon(state, 50.0, Companies(ESTIMATES)).work(progress.done, (), PATIENCE_S)
    held = Holdings(work)
    assert [job.id for job in work.jobs if len(job.cards) == 2] == ["gang"]
    assert held.pace[[job.id for job in work.jobs].index("gang")] == pytest.approx(1 / slowdown)


def test_the_cards_of_a_gang_are_filled_until_it_starts_and_not_beyond():
    # The gang waits for the second card; the short one ends before, the long one would not.
    there = [exclusive_job("first", runtime_s=10), exclusive_job("second", runtime_s=60)]
    state = running(*there, capacity=PAIR)
    gang = exclusive_job("gang", runtime_s=20, cards=BOTH)
    short, long = exclusive_job("short", runtime_s=45), exclusive_job("long", runtime_s=55)
    state, _ = apply(state, Submitted((gang, short), 0.0), POLICY)
    assert play(work_of(state), TODAY).end_s == pytest.approx(60 + 20)
    state, _ = apply(state, Submitted((long,), 0.0), POLICY)
    assert play(work_of(state), Rule([0, 0, 0, 2, 1])).end_s == pytest.approx(60 + 20 + 55)


def test_no_plan_has_a_gang_wait_for_longer_than_today_s_rules_and_than_its_run_time_and_a_half():
    draw = random.Random(3)
    for _ in range(4):
        capacity = Capacity(tuple(card(n) for n in range(3)), 24, 64_000)
        work = work_of(*beginning(gangs(MODELS, draw, 3, size=30), capacity))
        today_s = play(work, TODAY).waited_s
        found_s = play(work, search(work, most_asked=4000).rule).waited_s
        for n, waited_s in found_s.items():
            most_s = max(today_s[n], MOST_WAIT * work.jobs[n].card_s)
            assert waited_s <= most_s + 1e-6


def test_a_gang_that_today_s_rules_send_to_the_cpu_waits_for_a_card_no_longer_than_others():
    gang = versions("gang", 20, 25, cards=BOTH, cores=2)
    there = exclusive_job("there", runtime_s=200)
    state, _ = apply(running(there, capacity=PAIR), Submitted((gang,), 0.0), POLICY)
    work = work_of(state)
    assert play(work, TODAY).on_cpu == {1}
    assert _Search(work, 1000, 0)._most_wait_s == {1: MOST_WAIT * 20}


def test_wide_jobs_that_were_passed_by_are_asked_in_the_order_in_which_they_came():
    four = Capacity(tuple(card(n) for n in range(4)), 8, 64_000)
    jobs = [
        exclusive_job("there", runtime_s=20, cards=CardCount(4, 4), priority=1),
        exclusive_job("short", runtime_s=10, cards=BOTH),
        exclusive_job("long", runtime_s=30, cards=CardCount(3, 3), chain_s=5),
    ]
    work = work_of(waiting(*jobs, capacity=four))
    names = [job.id for job in work.jobs]
    for rule in (TODAY, Rule([float(names[n] == "short") for n in range(3)])):
        waited_s = play(work, rule).waited_s
        assert waited_s[names.index("short")] == pytest.approx(20)
        assert waited_s[names.index("long")] == pytest.approx(30)


def test_a_running_job_that_spills_over_several_cards_is_planned_as_what_it_is():
    big = shared_job("big", 6000, ram_overflow=True, ram_mib=4000, runtime_s=500)
    state = running(big, capacity=PAIR)
    assert len(state.running["big"].placement.cards) == 2
    after = tuple(exclusive_job(name, runtime_s=20) for name in "xy")
    state, _ = apply(state, Submitted(after, 0.0), POLICY)
    assert play(work_of(state), TODAY).end_s == pytest.approx(520)


def test_no_plan_is_made_for_a_job_that_spills_as_no_card_holds_it():
    big = shared_job("big", 6000, ram_overflow=True, ram_mib=4000, runtime_s=500)
    others = [shared_job(f"j{k}", 900, runtime_s=30) for k in range(3)]
    assert pays(waiting(*others), ESTIMATES)
    assert not pays(waiting(big, *others), ESTIMATES)


def after_runs(*names):
    """What is believed once jobs of these have run so often."""
    seen = RunStatistics(past_run(name, 30.0, Company(20.0, {"fold": 1})) for name in names)
    seen.learn()
    return Estimates(statistics=seen)


def kinds(*names, of=shared_job):
    return waiting(*(of(f"{k}", kind=name, runtime_s=30) for k, name in enumerate(names)))


def test_no_plan_is_made_of_guesses_what_sharing_costs():
    familiar = after_runs(*["fold"] * 3, *["embed"] * 2)
    assert pays(kinds("fold", "fold", "fold", "embed"), familiar)
    assert not pays(kinds("fold", "fold", "embed"), familiar)
    assert not pays(kinds("new", "new", "new"), familiar)
    assert pays(kinds("fold", "embed"), after_runs(*["fold", "embed"] * 3))


def test_a_plan_is_made_where_nothing_at_all_is_known_of_sharing_or_nobody_shares():
    assert pays(kinds("new", "embed"), Estimates())
    assert pays(kinds("new", "new", of=exclusive_job), after_runs(*["fold"] * 3))


def test_a_refused_part_of_a_card_keeps_nobody_from_a_smaller_card():
    cards = Capacity((card(0), card(1, total_mib=8000)), 8, 64_000)
    there = shared_job("there", 1500, model="cool", runtime_s=50, on_card="gpu-0")
    other = shared_job("other", 6000, model="cool", runtime_s=80, on_card="gpu-1")
    flat = shared_job("flat", 3000, model="cool", runtime_s=10)
    part = part_job("part", "1/2", model="cool", runtime_s=10)
    state, _ = apply(running(there, other, capacity=cards), Submitted((flat, part), 0.0), POLICY)
    work = work_of(state)
    held = Holdings(work)
    held.begin_round()
    by_name = {job.id: n for n, job in enumerate(work.jobs)}
    assert list(held.options(by_name["flat"], 1.03)) == []
    assert [cards for _, cards in held.options(by_name["part"], 1.03)] == [(0,)]


@pytest.mark.parametrize(("at", "is_named"), [(150.0, True), (301.0, False)])
def test_a_gang_that_can_have_no_cards_is_let_forward_by_its_time_on_the_cpu(at, is_named):
    three = versions("three", 10, 600, cards=CardCount(3, 3))
    (job,) = work_of(waiting(three, capacity=PAIR), at=at).jobs
    assert (job.is_gang, job.card_s) == (False, None)
    assert job.was_passed(at, PATIENCE_S) is not is_named


def test_a_play_is_given_up_where_a_gang_waits_for_too_long():
    both = [exclusive_job(name, runtime_s=10, cards=BOTH) for name in "ab"]
    work = work_of(waiting(*both, capacity=PAIR))
    assert play(work, TODAY).waited_s == {0: 0.0, 1: pytest.approx(10)}
    assert play(work, TODAY, most_wait_s={1: 10.1}).end_s == pytest.approx(20)
    assert play(work, TODAY, most_wait_s={1: 9.9}).end_s == float("inf")


def test_plans_are_made_while_a_job_of_several_cards_runs():
    state = running(exclusive_job("gang", runtime_s=100, cards=BOTH), capacity=PAIR)
    jobs = [cpu_job(f"c{k}", runtime_s=10, cores=6) for k in range(2)]
    state, _ = apply(state, Submitted(tuple(jobs), 0.0), POLICY)
    upcoming = [
        Upcoming(cpu_job("then", runtime_s=10), ("c0",)),
        Upcoming(cpu_job("long", runtime_s=200), ("c1",)),
    ]
    plan = Planner(ESTIMATES).plan(state, 0.0, upcoming)
    assert plan.rank["c1"] < plan.rank["c0"]


def test_a_refused_job_that_names_its_card_keeps_others_like_it_from_no_other_card():
    state = running(exclusive_job("there", runtime_s=50, on_card="gpu-0"), capacity=PAIR)
    alike = [shared_job("named", 900, runtime_s=30, on_card="gpu-0")]
    alike += [shared_job(f"free{k}", 900, runtime_s=30) for k in range(2)]
    state, _ = apply(state, Submitted(tuple(alike), 0.0), POLICY)
    assert play(work_of(state), TODAY).end_s == pytest.approx(50 + 30)
    work = work_of(state)
    held = Holdings(work)
    named, free = (
        next(n for n, j in enumerate(work.jobs) if j.id == i) for i in ("named", "free0")
    )
    held.begin_round()
    assert list(held.options(named, 1.03)) == []
    assert [cards for _, cards in held.options(free, 1.03)] == [(1,)]


# what a plan is good for


def test_the_cpu_is_chosen_as_the_whole_ends_soonest():
    # In turn, the first two would take the card, and the last is done sooner there than by waiting.
    jobs = [versions("a", 50, 100), versions("b", 49, 400), versions("c", 48, 390)]
    plan = Planner(ESTIMATES).plan(waiting(*jobs), 0.0)
    assert plan.on_cpu == {"a"}
    assert plan.end_s == pytest.approx(100)
    assert plan.without_s == pytest.approx(147)


def test_a_plan_sends_to_the_cpu_who_is_named_and_nobody_else():
    state = waiting(*(versions(f"j{k}", 50, 60) for k in range(3)))
    plan = Plan({f"j{k}": k for k in range(3)}, on_cpu=frozenset(["j0"]))
    starts = {
        s.job_id: s.placement.residency for s in POLICY.following(plan).decide(state, 0.0).starts
    }
    assert starts == {"j0": Residency.CPU_ONLY, "j1": Residency.GPU_SHARED}


def test_who_is_to_run_on_the_cpu_keeps_the_card_from_nobody_while_cores_are_short():
    state, _ = step(State(CAPACITY), Submitted((cpu_job("busy", runtime_s=99),), 0.0), POLICY)
    jobs = (versions("moved", 50, 60, cores=8), shared_job("other", 4000, runtime_s=999))
    state, _ = apply(state, Submitted(jobs, 100.0), POLICY)
    plan = Plan({"moved": 0, "other": 1}, on_cpu=frozenset(["moved"]))
    (start,) = POLICY.following(plan).decide(state, 200.0).starts
    assert start.job_id == "other"


def test_cpu_jobs_are_put_in_order_by_the_gpu_jobs_that_come_behind_them():
    state = waiting(*(cpu_job(f"c{k}", runtime_s=10, cores=7) for k in range(2)))
    upcoming = [
        Upcoming(cpu_job("then", runtime_s=10), ("c0",)),
        Upcoming(exclusive_job("long", runtime_s=90), ("c1",)),
    ]
    plan = Planner(ESTIMATES).plan(state, 0.0, upcoming)
    assert plan.rank["c1"] < plan.rank["c0"]
    assert plan.end_s == pytest.approx(100)


# who is about to come


def about_to_come():
    """A long job is ready, its engine has not handed it over yet, and a short one waits."""
    coming = exclusive_job("coming", runtime_s=90)
    return waiting(exclusive_job("short", runtime_s=10), cpu_job("c", runtime_s=10)), coming


def test_a_place_is_kept_for_who_is_about_to_come_and_for_no_longer_than_told():
    state, coming = about_to_come()
    upcoming = [Upcoming(coming), Upcoming(cpu_job("last", runtime_s=40), ("coming",))]
    plan = Planner(ESTIMATES).plan(state, 0.0, upcoming)
    assert [job.id for job in plan.awaited] == ["coming"]
    assert plan.until_s == AWAITED_S
    policy = POLICY.following(plan)
    assert [s.job_id for s in policy.decide(state, 0.0).starts] == ["c"]
    assert {s.job_id for s in policy.decide(state, AWAITED_S + 0.1).starts} == {"short", "c"}


def test_who_did_not_come_in_time_is_not_awaited_again():
    state, coming = about_to_come()
    upcoming = [Upcoming(coming), Upcoming(cpu_job("last", runtime_s=40), ("coming",))]
    planner = Planner(ESTIMATES)
    assert planner.plan(state, 0.0, upcoming).awaited
    assert not planner.plan(state, AWAITED_S + 0.1, upcoming).awaited


def test_no_place_is_kept_for_who_has_come():
    state, coming = about_to_come()
    plan = Plan({}, awaited=(coming,), until_s=1.0)
    state, _ = apply(state, Submitted((coming,), 0.5), POLICY)
    assert "c" in {s.job_id for s in POLICY.following(plan).decide(state, 0.5).starts}
    assert len(POLICY.following(plan).decide(state, 0.5).starts) == 2  # and one on the card


def test_a_place_for_a_short_job_is_kept_for_a_part_of_its_run_time_only():
    awaited = Awaited()
    awaited.observe({"short": 5.0, "long": 500.0}, 0.0)
    assert awaited.worth_it(["short", "long"], SHARE * 5.0) == {"short", "long"}
    assert awaited.until_s(["short", "long"]) == SHARE * 5.0
    assert awaited.worth_it(["short", "long"], SHARE * 5.0 + 0.1) == {"long"}


def test_nobody_is_awaited_any_more_where_many_were_late():
    awaited = Awaited()
    for k in range(2):
        awaited.observe({f"late{k}": 60.0}, 10.0 * k)
        assert awaited.worth_it([f"late{k}"], 10.0 * k)
        awaited.observe({f"late{k}": 60.0}, 10.0 * k + AWAITED_S + 0.1)
    awaited.observe({"another": 60.0}, 100.0)
    assert not awaited.worth_it(["another"], 100.0)


def test_one_who_was_late_is_forgiven_where_others_come_in_time():
    awaited = Awaited()
    for k in range(20):
        awaited.observe({f"job{k}": 60.0}, 10.0 * k)
        assert awaited.worth_it([f"job{k}"], 10.0 * k), "in time so far"
        late = k in {5, 15}
        awaited.observe({f"job{k}": 60.0} if late else {}, 10.0 * k + AWAITED_S + 0.1)


# what it may not do


def test_a_plan_never_lets_a_job_pass_one_of_a_higher_priority():
    first, second = shared_job("first", 4000, priority=1), shared_job("second", 4000)
    plan = Plan({"second": 0, "first": 1})
    (start,) = POLICY.following(plan).decide(waiting(first, second), 0.0).starts
    assert start.job_id == "first"


def test_a_job_that_was_not_planned_keeps_its_place():
    jobs = [shared_job(name, 4000, chain_s=chain) for name, chain in (("a", 9), ("b", 5), ("c", 1))]
    plan = Plan({"c": 0, "a": 1})
    line = plan.ordered(waiting(*jobs).waiting.in_line(on_cpu=False))
    assert [one.job.id for one in line] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("at", "named"),
    [
        (0.0, {"a", "b", "c"}),
        (LONG * PATIENCE_S + 1, {"b", "c"}),
        (LONG * 390 + 1, {"b"}),
        (LONG * 400 + 1, set()),
    ],
)
def test_whoever_has_waited_for_many_times_its_run_time_is_asked_as_without_a_plan(at, named):
    jobs = [versions("a", 50, 59), versions("b", 49, 400), versions("c", 48, 390)]
    plan = Planner(ESTIMATES).plan(waiting(*jobs), at)
    assert {job.id for job in jobs if plan.names(job)} == named


def test_a_reservation_that_binds_is_kept_whatever_the_plan_says():
    state, _ = step(
        State(CAPACITY), Submitted((shared_job("there", 900, runtime_s=100),), 0.0), POLICY
    )
    state, _ = step(state, Submitted((exclusive_job("whole", runtime_s=40),), 0.0), POLICY)
    newcomer = shared_job("newcomer", 900, runtime_s=200)
    plan = Plan({"newcomer": 0, "whole": 1})
    _, decisions = step(state, Submitted((newcomer,), 21.0), POLICY.following(plan))
    assert [d for d in decisions if isinstance(d, Start)] == []


# when it is worth its time


@pytest.mark.parametrize(
    ("why", "jobs"),
    [
        ("nobody knows the run times", [shared_job(f"j{k}", 900) for k in range(4)]),
        ("one job has no order", [shared_job("a", 900, runtime_s=10)]),
        ("nobody waits for a card", [cpu_job(f"c{k}", runtime_s=10) for k in range(4)]),
        (
            "spilling is not foreseen",
            [job_of(f"s{k}", spilling_claim(runtime_s=9)) for k in range(3)],
        ),
    ],
)
def test_no_plan_is_made_where_it_would_not_pay(why, jobs):
    planner = Planner(ESTIMATES)
    planner._look_ahead = None  # called, it would raise
    assert planner.plan(waiting(*jobs), 0.0) == NO_PLAN, why


def test_a_time_on_the_cpu_is_known_enough_and_that_of_jobs_without_a_card_does_not_count():
    asked = []
    planner = Planner(ESTIMATES)
    planner._look_ahead = lambda _state, _at, _upcoming: asked.append("a plan") or NO_PLAN
    planner.plan(waiting(*(versions(f"v{k}", None, 60) for k in range(3)), cpu_job("c")), 0.0)
    assert asked == ["a plan"]


def test_one_job_that_waits_is_planned_where_others_come_behind_it():
    asked = []
    planner = Planner(ESTIMATES)
    planner._look_ahead = lambda _state, _at, upcoming: asked.append(upcoming) or NO_PLAN
    behind = [Upcoming(shared_job("b", 900, runtime_s=10), ("a",))]
    planner.plan(waiting(shared_job("a", 900, runtime_s=10)), 0.0, behind)
    assert asked == [behind]
