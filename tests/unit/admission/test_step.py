"""The bench's story, told step by step; no clock, no GPU, no files."""

import pytest
from builders import card, cpu_job, exclusive_job, shared_job
from msgspec.structs import replace

from nvinx.admission.estimates import Estimates
from nvinx.admission.events import CardsChanged, Finished, Refuse, Start, Submitted, Withdrawn
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.errors import IllegalEventError
from nvinx.history.statistics import RunStatistics
from nvinx.reasons import Why

CARD = card(total_mib=4096, headroom_mib=512)
POLICY = LongestChainFirst(patience_s=60)


def submit(*jobs, at=0.0):
    return Submitted(jobs, at)


def run(*events, capacity=None, policy=POLICY):
    state, last = State(capacity or Capacity((CARD,), 8, 16000)), ()
    for event in events:
        state, last = step(state, event, policy)
        check(state)
    return state, last


def starts(decisions):
    return [d.job_id for d in decisions if isinstance(d, Start)]


def reason(state, name, at=0.0):
    return POLICY.decide(state, at).reason(state.waiting[name].job)


def test_jobs_that_fit_together_share_the_card():
    state, last = run(submit(shared_job("a", 1000), shared_job("b", 1000), shared_job("c", 1000)))

    assert starts(last) == ["a", "b", "c"]
    assert {r.placement.card for r in state.running.values()} == {"gpu-0"}


def test_where_nothing_is_known_of_slowdowns_as_many_share_a_card_as_its_vram_holds():
    estimates = Estimates(statistics=RunStatistics())
    crowd = [shared_job(f"small[{n}]", 50) for n in range(72)]
    state, decisions = run(
        submit(*crowd), capacity=Capacity((CARD,), 100, None), policy=LongestChainFirst(estimates)
    )
    assert len(starts(decisions)) == CARD.shareable_mib // 50 == 71
    assert reason(state, "small[71]").why is Why.NOT_ENOUGH_VRAM


def test_a_job_that_does_not_fit_is_told_how_much_it_needs_and_what_is_free():
    state, last = run(submit(shared_job("a", 3000), shared_job("b", 1000)))

    assert starts(last) == ["a"]
    why = reason(state, "b")
    assert (why.why, why.need, why.have, why.behind) == (Why.NOT_ENOUGH_VRAM, 1000, 584, ("a",))


def test_an_exclusive_job_waits_for_the_card_to_empty_and_then_keeps_it():
    state, _ = run(submit(shared_job("a", 100)), submit(exclusive_job("x"), at=1.0))
    assert reason(state, "x", 1.0).why is Why.WANTS_CARD_ALONE

    state, _ = run(
        submit(shared_job("a", 100)),
        submit(exclusive_job("x"), at=1.0),
        Finished("a", 2.0),
        submit(shared_job("b", 100), at=3.0),
    )
    assert list(state.running) == ["x"]
    assert reason(state, "b", 3.0).why is Why.CARD_HELD_EXCLUSIVELY
    assert state.running["x"].placement.vram_mib == 4096


def test_cpu_jobs_run_while_one_job_holds_the_card():
    state, last = run(submit(exclusive_job("x"), *(cpu_job(f"c{i}") for i in range(9))))

    assert starts(last) == ["x"] + [f"c{i}" for i in range(7)]
    assert reason(state, "c7").why is Why.NOT_ENOUGH_CORES


def test_a_gpu_job_gets_the_next_free_core_before_cpu_work():
    cap = Capacity((CARD,), 2)
    state, _ = run(
        submit(cpu_job("c0"), cpu_job("c1"), cpu_job("c2")),
        submit(shared_job("a", 100), at=1.0),
        capacity=cap,
    )
    state, last = step(state, Finished("c0", 2.0), POLICY)

    assert starts(last) == ["a"]


def test_cores_are_saved_up_for_a_gpu_job_that_needs_several():
    cap = Capacity((CARD,), 2)
    state, _ = run(
        submit(*(cpu_job(f"c{i}") for i in range(4))),
        submit(shared_job("a", 100, cores=2), at=1.0),
        capacity=cap,
    )
    state, first = step(state, Finished("c0", 2.0), POLICY)
    state, second = step(state, Finished("c1", 3.0), POLICY)

    assert (starts(first), starts(second)) == ([], ["a"])


def test_younger_jobs_may_pass_a_blocked_one_but_not_for_ever():
    state, _ = run(submit(shared_job("a", 2000), exclusive_job("x")))
    state, early = step(state, submit(shared_job("b", 100), at=59.0), POLICY)
    state, late = step(state, submit(shared_job("c", 100), at=61.0), POLICY)

    assert starts(early) == ["b"]
    assert starts(late) == []
    assert (reason(state, "c", 61.0).why, reason(state, "c", 61.0).behind) == (
        Why.BEHIND_OLDER_JOB,
        ("x",),
    )


def test_a_wide_cpu_job_is_not_starved_by_narrow_ones():
    cap = Capacity((), 2)
    state, _ = run(
        submit(cpu_job("a"), cpu_job("wide", cores=2), cpu_job("b"), cpu_job("c")), capacity=cap
    )
    assert list(state.running) == ["a", "b"]
    state, last = step(state, Finished("a", 61.0), POLICY)
    assert starts(last) == []
    state, last = step(state, Finished("b", 62.0), POLICY)
    assert starts(last) == ["wide"]


def test_higher_priority_goes_first_then_the_older():
    state, _ = run(
        submit(cpu_job("busy")),
        submit(cpu_job("old")),
        submit(cpu_job("new"), at=1.0),
        submit(cpu_job("urgent", priority=5), at=2.0),
        capacity=Capacity((), 1),
    )
    order = []
    for at in (3.0, 4.0, 5.0):
        (running,) = state.running
        state, last = step(state, Finished(running, at), POLICY)
        order += starts(last)
    assert order == ["urgent", "old", "new"]


def test_ram_is_never_promised_twice():
    state, last = run(
        submit(cpu_job("a", ram_mib=9000), cpu_job("b", ram_mib=9000), cpu_job("c", ram_mib=100))
    )

    assert starts(last) == ["a", "c"]
    assert reason(state, "b").why is Why.NOT_ENOUGH_RAM


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (shared_job("j", 3585), Why.LARGER_THAN_CARD),
        (exclusive_job("j", vram_mib=4097), Why.LARGER_THAN_CARD),
        (cpu_job("j", cores=9), Why.NOT_ENOUGH_CORES),
        (cpu_job("j", ram_mib=16001), Why.NOT_ENOUGH_RAM),
    ],
)
def test_a_job_that_can_never_run_is_refused_at_once(job, why):
    state, last = run(submit(job))

    (refusal,) = last
    assert isinstance(refusal, Refuse)
    assert refusal.reason.why is why
    assert not state.waiting


def test_a_job_of_the_size_of_the_budget_is_not_too_large():
    assert starts(run(submit(shared_job("j", 3584)))[1]) == ["j"]
    assert starts(run(submit(exclusive_job("j", vram_mib=4096)))[1]) == ["j"]


def test_a_job_larger_than_the_card_spills_if_it_may_and_has_the_card_alone():
    state, _ = run(
        submit(shared_job("big", 6000, ram_overflow=True, ram_mib=8000), shared_job("a", 10))
    )

    placed = state.running["big"].placement
    assert (placed.residency, placed.vram_mib, placed.ram_mib) == (
        Residency.GPU_RAM_OVERFLOW,
        4096,
        8000,
    )
    assert "a" in state.waiting


def test_a_job_that_may_spill_but_fits_does_not():
    state, _ = run(submit(shared_job("big", 3000, ram_overflow=True, ram_mib=8000)))

    assert state.running["big"].placement.residency is Residency.GPU_SHARED


def test_a_job_larger_than_the_card_goes_to_the_cpu_if_it_may():
    state, _ = run(submit(shared_job("big", 6000, cpu_fallback=True)))

    placed = state.running["big"].placement
    assert (placed.residency, placed.card, placed.why) == (
        Residency.CPU_ONLY,
        None,
        Why.LARGER_THAN_CARD,
    )


def test_without_a_card_gpu_jobs_need_a_fallback():
    cap = Capacity((), 8)
    _, last = run(submit(shared_job("a", 10), shared_job("b", 10, cpu_fallback=True)), capacity=cap)

    refused = [d.reason.why for d in last if isinstance(d, Refuse)]
    assert (refused, starts(last)) == ([Why.NO_GPU_ON_BENCH], ["b"])


def test_several_cards_are_filled_the_emptiest_first():
    cards = (CARD, card(1, total_mib=4096))
    state, _ = run(
        submit(exclusive_job("x"), shared_job("a", 3000), shared_job("b", 900)),
        capacity=Capacity(cards, 8),
    )

    assert [r.placement.card for r in state.running.values()] == ["gpu-0", "gpu-1", "gpu-1"]


def test_an_exclusive_job_that_waits_keeps_only_one_of_two_cards():
    cards = (CARD, card(1, total_mib=4096))
    state, _ = run(
        submit(shared_job("a", 3000), shared_job("b", 2000)),
        submit(exclusive_job("x"), at=1.0),
        capacity=Capacity(cards, 8),
    )
    state, last = step(state, submit(shared_job("c", 100), shared_job("d", 500), at=99.0), POLICY)

    assert starts(last) == ["c"]
    assert state.running["c"].placement.card == "gpu-0"


def test_what_strangers_use_is_not_handed_out():
    state, _ = run(submit(shared_job("a", 3000)))
    busy = replace(CARD, foreign_mib=700)
    state, last = run(CardsChanged((busy,), 0.0), submit(shared_job("a", 3000)))

    assert starts(last) == []
    assert (reason(state, "a").why, reason(state, "a").have) == (Why.CARD_USED_BY_OTHERS, 2884)
    state, last = step(state, CardsChanged((CARD,), 1.0), POLICY)
    assert starts(last) == ["a"]


def test_a_withdrawn_job_never_starts():
    state, _ = run(
        submit(exclusive_job("x")),
        submit(shared_job("a", 10)),
        Withdrawn(("a",), 1.0),
        Finished("x", 2.0),
    )

    assert not state.waiting
    assert not state.running


@pytest.mark.parametrize(
    "event",
    [
        Finished("w", 1.0),
        Finished("nobody", 1.0),
        Withdrawn(("x",), 1.0),
        submit(exclusive_job("x")),
    ],
)
def test_an_event_out_of_turn_is_an_error_and_changes_nothing(event):
    state, _ = run(submit(exclusive_job("x"), shared_job("w", 10)))
    with pytest.raises(IllegalEventError):
        step(state, event, POLICY)


def test_a_job_that_is_asked_for_anew_keeps_its_age():
    first = submit(exclusive_job("runs"), exclusive_job("waits"), at=1.0)
    again = Submitted((exclusive_job("waits"),), 9.0, since={"waits": 1.0})
    state, _ = run(first, submit(exclusive_job("later"), at=5.0), Withdrawn(("waits",), 9.0), again)
    assert state.waiting["waits"].since == 1.0

    _, last = step(state, Finished("runs", 10.0), POLICY)
    assert starts(last) == ["waits"]
