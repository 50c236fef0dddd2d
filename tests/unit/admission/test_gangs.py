"""A job that asks for several cards gets all of them at once, in its turn."""

from functools import partial

import pytest
from builders import (
    card,
    company,
    exclusive_job,
    granted,
    part_job,
    running,
    shared_job,
    simulated_card,
    spilling_job,
)
from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.availability import Availability
from nvinx.admission.co_residency import CoResidency
from nvinx.admission.estimates import NONE, Estimates
from nvinx.admission.events import Finished, Refuse, Start, Submitted
from nvinx.admission.planner.plan import Plan
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.progress import Progress
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.interference import CoRun
from nvinx.jobs.card_count import CardCount
from nvinx.reasons import Why

TWO, UP_TO_TWO = CardCount(2, 2), CardCount(1, 2)
POLICY = LongestChainFirst()
PATIENCE_S = 60.0

gang = partial(exclusive_job, cards=TWO)


def bench(*cards, cores=8):
    return State(Capacity(cards or (card(0), card(1)), cores, 64_000))


def submit(state, *jobs, at=0.0, policy=POLICY):
    state, decisions = step(state, Submitted(jobs, at), policy)
    check(state)
    return state, {d.job_id: d.placement for d in decisions if isinstance(d, Start)}


def finish(state, job_id, at):
    state, decisions = step(state, Finished(job_id, at), POLICY)
    check(state)
    return state, {d.job_id: d.placement for d in decisions}


def reason(state, job_id, at=0.0):
    return POLICY.decide(state, at).reason(state.waiting[job_id].job)


def refusal(state, job):
    _, (decision,) = step(state, Submitted((job,), 0.0), POLICY)
    assert isinstance(decision, Refuse)
    return explain.impossible(decision.reason)


# what it gets


def test_it_gets_all_its_cards_at_once():
    _, started = submit(bench(), gang("train"))
    assert started["train"].cards == ("gpu-0", "gpu-1")
    assert started["train"].alone


def test_a_size_is_held_on_each_card_beside_others():
    state, started = submit(bench(), shared_job("train", 3000, cards=TWO))
    assert [started["train"].mib_on(f"gpu-{n}") for n in (0, 1)] == [3000, 3000]
    state, started = submit(state, shared_job("small", 900), shared_job("large", 1100))
    assert list(started) == ["small"]


def test_of_cards_of_unequal_size_each_gives_what_it_has():
    unequal = (card(0), card(1, total_mib=8000))
    _, started = submit(bench(*unequal), gang("train"))
    assert (started["train"].vram_mib, started["train"].more_mib) == (4000, (8000,))
    _, started = submit(bench(*unequal), part_job("thirds", "1/4", cards=TWO))
    assert sorted([started["thirds"].vram_mib, *started["thirds"].more_mib]) == [1000, 2000]


def test_only_cards_that_have_the_least_vram_are_taken():
    cards = card(0, total_mib=2000), card(1), card(2)
    _, started = submit(bench(*cards), gang("train", vram_mib=3000))
    assert started["train"].cards == ("gpu-1", "gpu-2")


def test_only_cards_of_the_name_are_taken():
    cards = card(0, name="T4"), card(1, name="A100"), card(2, name="NVIDIA A100")
    _, started = submit(bench(*cards), gang("train", card_name="a100"))
    assert started["train"].cards == ("gpu-1", "gpu-2")


def test_it_is_as_slow_as_on_the_worst_of_its_cards():
    estimates = Estimates(fit_slowdown_model([CoRun("wide", "hot", 1.5, 1.1)]))
    wide = shared_job("wide", model="wide", runtime_s=100.0, cards=TWO)
    there = running(shared_job("hot", model="hot"), card="gpu-1")
    free = Availability.of(replace(bench(), running={"hot": there}), 0.0, estimates)
    both = granted(wide.claim, card="gpu-0", more=("gpu-1",), more_mib=(900,))
    assert free.end_there_s(wide, both) == pytest.approx(150.0)
    assert free.end_there_s(wide, granted(wide.claim, card="gpu-0")) == 100.0


# who waits


def test_it_waits_for_the_last_of_its_cards():
    state, _ = submit(bench(), exclusive_job("there"))
    state, started = submit(state, gang("train"))
    assert started == {}
    said = reason(state, "train")
    assert (said.why, said.need, said.have, said.behind) == (Why.CARDS_NOT_FREE, 2, 1, ("there",))
    assert explain.sentence(said) == "needs 2 cards at once, 1 free beside there"
    assert explain.sentence(replace(said, need=1, have=0)) == "needs 1 card, 0 free beside there"
    _, started = finish(state, "there", 5.0)
    assert started["train"].cards == ("gpu-0", "gpu-1")


def waiting_gang(runtime_s=100.0, first=None, at=0.0):
    """A gang that waits for a job on one of two cards, and has waited for longer than patience."""
    first = first or exclusive_job("there", runtime_s=runtime_s)
    state, _ = submit(bench(), first)
    state, _ = submit(state, gang("train", runtime_s=200.0), at=at)
    return state


def test_its_idle_card_is_filled_with_what_ends_before_its_start_however_long_it_waits():
    state = waiting_gang(runtime_s=1000.0)
    for at in (1.0, 2 * PATIENCE_S, 11 * PATIENCE_S):
        state, started = submit(state, exclusive_job(f"at {at}", runtime_s=30), at=at)
        assert started[f"at {at}"].card == "gpu-1"
        state, started = finish(state, f"at {at}", at + 30)
        assert started == {}
    _, started = finish(state, "there", 1000.0)
    assert "train" in started


def test_several_that_share_its_idle_card_fill_it_too():
    state = waiting_gang(runtime_s=1000.0)
    small = [shared_job(f"small {n}", runtime_s=100) for n in (1, 2)]
    _, started = submit(state, *small, at=2 * PATIENCE_S)
    assert [placed.card for placed in started.values()] == ["gpu-1", "gpu-1"]


@pytest.mark.parametrize("runtime_s", [1000.0, None])
def test_what_would_not_end_before_its_start_does_not_fill_it(runtime_s):
    state = waiting_gang(runtime_s=500.0)
    _, started = submit(state, exclusive_job("long", runtime_s=runtime_s), at=2 * PATIENCE_S)
    assert started == {}


def test_once_somebody_in_its_way_runs_on_nobody_fills_its_cards():
    state = waiting_gang(runtime_s=100.0)
    _, started = submit(state, exclusive_job("short", runtime_s=0.5), at=101.0)
    assert started == {}


@pytest.mark.parametrize("is_known", [True, False])
def test_whoever_was_slowed_by_one_who_left_is_not_late_if_its_work_is_known(is_known):
    estimates = Estimates(fit_slowdown_model([CoRun("a", "b", 1.5, 1.5)]), caution=NONE)
    policy, progress = LongestChainFirst(estimates), Progress(estimates)
    slowdown = estimates.slowdown(
        shared_job("", model="a").claim, [shared_job("", model="b").claim]
    )
    assert slowdown > 1.1
    there, partner = shared_job("there", model="a", runtime_s=100.0), shared_job("p", model="b")
    state, _ = submit(bench(), there, exclusive_job("other", runtime_s=50.0), policy=policy)
    state, started = submit(state, partner, policy=policy)
    assert started["p"].card == "gpu-0"
    state, _ = submit(state, gang("train", runtime_s=200.0), policy=policy)
    progress.observe(state, 0.0)
    for job_id in ("other", "p"):
        state, _ = step(state, Finished(job_id, 90.0), policy)
        progress.observe(state, 90.0)
    assert progress.done.by("there", 101.0) == pytest.approx(90.0 / slowdown + 11.0)

    policy = policy.following(Plan({}, done=progress.done)) if is_known else policy
    left_s = 100.0 - 90.0 / slowdown - 11.0
    short, long = (exclusive_job(f"{s}", runtime_s=s) for s in (left_s - 1.0, left_s + 1.0))
    _, started = submit(state, short, at=101.0, policy=policy)
    assert bool(started) == is_known
    _, started = submit(state, long, at=101.0, policy=policy)
    assert started == {}


def test_what_would_slow_whoever_is_in_its_way_does_not_fill_its_card():
    hot = fit_slowdown_model([CoRun("a", "b", 1.5, 1.5)])
    policy = LongestChainFirst(Estimates(hot))
    there = shared_job("there", model="a", runtime_s=200.0)
    state, _ = submit(bench(), there, exclusive_job("other", runtime_s=190.0), policy=policy)
    state, _ = submit(state, gang("train", runtime_s=200.0), policy=policy)
    _, started = submit(
        state, shared_job("short", model="b", runtime_s=10.0), at=100.0, policy=policy
    )
    assert started == {}


def test_nobody_joins_who_would_slow_what_it_waits_for_even_if_it_could_stay_beside_it():
    slowing = fit_slowdown_model([CoRun("a", "b", 1.2, 1.2), CoRun("w", "b", 1.1, 1.1)])
    policy = LongestChainFirst(Estimates(slowing))
    cards = card(0), card(1)
    state, _ = submit(
        bench(*cards),
        shared_job("there", 3500, model="a", runtime_s=200.0),
        exclusive_job("other", runtime_s=150.0),
        policy=policy,
    )
    wide = shared_job("wide", 900, model="w", runtime_s=200.0, cards=TWO)
    state, started = submit(state, wide, policy=policy)
    assert started == {}
    small = shared_job("small", 400, model="b", runtime_s=10.0)
    _, started = submit(state, small, at=100.0, policy=policy)
    assert started == {}


@pytest.mark.parametrize(
    ("partner", "starts"), [("a", True), ("b", False)], ids=["no slower", "slower"]
)
def test_a_gang_that_is_in_its_way_is_slowed_by_a_newcomer_on_that_card_alone(partner, starts):
    # On its other card it is as slow already as it would be beside the first newcomer.
    slowing = fit_slowdown_model([CoRun("w", "a", 1.4, 1.2), CoRun("w", "b", 1.8, 1.2)])
    policy = LongestChainFirst(Estimates(slowing))
    wide = shared_job("wide", 2000, model="w", runtime_s=200.0, cards=TWO)
    beside = shared_job("beside", 900, model="a", runtime_s=150.0)
    state, started = submit(bench(), wide, beside, policy=policy)
    other = next(iter({"gpu-0", "gpu-1"} - {started["beside"].card}))
    state, _ = submit(state, gang("train", runtime_s=20.0), policy=policy)
    new = shared_job("new", 900, model=partner, runtime_s=20.0)
    _, started = submit(state, new, at=50.0, policy=policy)
    assert {job_id: placed.card for job_id, placed in started.items()} == (
        {"new": other} if starts else {}
    )


def test_a_card_that_it_does_not_need_is_kept_for_nobody():
    state, _ = submit(
        bench(card(0), card(1), card(2)),
        exclusive_job("short", runtime_s=50.0),
        exclusive_job("long", runtime_s=5000.0),
    )
    state, _ = submit(state, gang("train", runtime_s=100.0))
    state, started = submit(state, exclusive_job("new", runtime_s=20.0), at=2.0)
    assert started["new"].card == "gpu-2"


def test_two_gangs_that_want_one_card_of_each_other_do_not_wait_for_ever():
    cards = card(0), card(1), card(2)
    state, started = submit(bench(*cards), gang("one"), gang("two"))
    assert list(started) == ["one"]
    _, started = finish(state, "one", 10.0)
    assert list(started) == ["two"]


@pytest.mark.parametrize("runtime_s", [10.0, None])
def test_newcomers_that_never_stop_do_not_starve_it(runtime_s):
    state, _ = submit(bench(), shared_job("first", runtime_s=runtime_s))
    state, _ = submit(state, gang("train", runtime_s=60.0), at=1.0)
    at, number = 2.0, 0
    while "train" in state.waiting and at < 3000.0:
        number += 1
        state, _ = submit(state, shared_job(f"s{number}", runtime_s=runtime_s), at=at)
        for job_id, one in list(state.running.items()):
            if one.since + 12.0 <= at and job_id != "train":  # each runs on for longer than it said
                state, _ = step(state, Finished(job_id, at), POLICY)
        at += 2.0
    assert "train" in state.running
    assert at < 200.0


# as many as are free


def test_as_many_as_are_free_are_taken():
    _, started = submit(bench(), exclusive_job("train", cards=UP_TO_TWO))
    assert len(started["train"].cards) == 2
    state, _ = submit(bench(), exclusive_job("there"))
    _, started = submit(state, exclusive_job("train", cards=UP_TO_TWO))
    assert started["train"].cards == ("gpu-1",)


def test_a_card_that_is_kept_for_another_is_not_taken_as_a_second_one():
    cards = card(0), card(1), card(2)
    state, _ = submit(bench(*cards), exclusive_job("there", runtime_s=100.0))
    state, _ = submit(state, exclusive_job("wide", runtime_s=100.0, cards=CardCount(3, 3)))
    state, started = submit(
        state, exclusive_job("train", cards=UP_TO_TWO, runtime_s=20.0), at=2 * PATIENCE_S
    )
    assert started == {}  # the first runs on, so that nothing is known of the start
    state, _ = submit(bench(*cards), exclusive_job("there", runtime_s=100.0, cards=TWO))
    state, _ = submit(state, gang("next", runtime_s=100.0))
    _, started = submit(state, exclusive_job("train", cards=UP_TO_TWO, runtime_s=500.0))
    assert started == {}


# what cannot be


def test_more_cards_than_there_are_is_refused_with_what_to_write():
    problem, fix = refusal(bench(), gang("train", cards=CardCount(3, 3)))
    assert problem == (
        "train asks for 3 cards at once, and this bench has only 2 cards that could hold its part"
    )
    assert "gpu='1-3'" in fix


def test_cards_that_are_too_small_do_not_count():
    cards = card(0), card(1, total_mib=2000)
    problem, _ = refusal(bench(*cards), shared_job("train", 3000, cards=TWO))
    assert "this bench has only 1 card that could" in problem


def test_a_part_that_no_card_holds_is_named_as_such():
    problem, _ = refusal(bench(), shared_job("train", 5000, cards=TWO))
    assert "the largest card can give" in problem


def test_a_gang_with_too_few_cards_goes_to_the_cpu_if_it_may():
    _, started = submit(bench(), gang("train", cards=CardCount(3, 3), cpu_fallback=True))
    assert (started["train"].card, started["train"].why) == (None, Why.TOO_FEW_CARDS)


# what spills


def test_a_job_that_spills_may_wait_for_several_cards_at_once():
    cards = simulated_card(0), simulated_card(1)
    big = spilling_job("big", vram_mib=9000, ram_mib=2000, cards=TWO)
    state, _ = submit(bench(*cards), shared_job("there", runtime_s=10.0))
    state, started = submit(state, big)
    assert started == {}
    assert reason(state, "big").why is Why.CARDS_NOT_FREE
    _, started = finish(state, "there", 10.0)
    assert set(started["big"].cards) == {"simulated-0", "simulated-1"}
    assert started["big"].residency is Residency.GPU_RAM_OVERFLOW


def test_what_all_its_cards_and_ram_cannot_hold_is_refused():
    cards = simulated_card(0), simulated_card(1)
    problem, _ = refusal(bench(*cards), spilling_job(vram_mib=11_000, ram_mib=2000, cards=TWO))
    assert "1.05 GB are missing" in problem


def test_it_takes_as_many_cards_as_it_must_and_the_largest_first():
    cards = simulated_card(0), simulated_card(1, total_mib=8000), simulated_card(2)
    big = spilling_job("big", vram_mib=13_000, ram_mib=2000, cards=CardCount(1, 2))
    _, started = submit(bench(*cards), big)
    assert started["big"].card == "simulated-1"
    assert len(started["big"].cards) == 2


# what is learned


def test_a_gang_was_beside_whoever_was_on_any_of_its_cards():
    wide = running(
        shared_job("wide", kind="wide", cards=TWO), card="gpu-0", more=("gpu-1",), more_mib=(900,)
    )
    one = running(shared_job("one", kind="one"), card="gpu-0")
    two = running(shared_job("two", kind="two"), card="gpu-1")
    seen = CoResidency()
    for at in (0.0, 10.0):
        seen.observe([wide, one, two], at)
    assert seen.finish(wide, 10.0).company == (company(10, "one", "two", at_end=True),)
    assert seen.finish(one, 10.0).company == (company(10, "wide", at_end=True),)


def test_out_of_memory_asks_for_no_more_than_the_least_of_its_cards_has():
    capacity = Capacity((card(0), card(1, total_mib=8000)), 8)
    assert capacity.largest_share_mib(2) == 4000
    assert capacity.largest_share_mib(3) == 0
