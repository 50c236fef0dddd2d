"""Jobs of several cards in plans and simulations: as real ones are placed, and bounded."""

import random

import pytest
from builders import card
from hypothesis import given, settings
from hypothesis import strategies as st

from nvinx.admission.estimates import NONE, Estimates
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.errors import BenchError, WorkloadError
from nvinx.interference import CoRun
from nvinx.jobs.card_count import ONE, CardCount
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.generate import gangs
from nvinx.simulation.lower_bound import lower_bound_s
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload
from nvinx.simulation.workload_file import parse, write

TRUTH = Estimates(
    fit_slowdown_model([CoRun("a", "a", 1.5, 1.5), CoRun("a", "b", 1.5, 1.1)]), caution=NONE
)
TWO = CardCount(2, 2)


def bench(number):
    return Capacity(tuple(card(n) for n in range(number)), 16, 64_000)


def whole(name, duration_s, cards=TWO):
    return Task(
        name=name,
        duration_s=duration_s,
        runtime_s=duration_s,
        residency=Residency.GPU_EXCLUSIVE,
        cards=cards,
    )


def shared(name, duration_s, model, cards=ONE):
    return Task(
        name=name,
        duration_s=duration_s,
        runtime_s=duration_s,
        model=model,
        vram_mb=900,
        cards=cards,
    )


def play(*tasks, cards=2, policy="nvinx"):
    return simulate(Workload.of(tasks), bench(cards), POLICIES[policy](TRUTH), TRUTH)


def bound(*tasks, cards=2):
    return lower_bound_s(Workload.of(tasks), bench(cards), TRUTH)


def test_a_gang_is_slowed_by_the_worst_of_its_cards():
    played = play(shared("wide", 10, "a", TWO), shared("beside", 100, "b"), policy="vram-fifo")
    assert {task.name: task.end_s for task in played.tasks}["wide"] == pytest.approx(15)
    assert {task.name: task.partners for task in played.tasks}["beside"] == ("wide",)


def test_all_its_cards_are_busy_and_it_is_laid_on_each():
    played = play(whole("train", 10))
    assert played.gpu_busy_s == {"gpu-0": 10, "gpu-1": 10}
    assert played.tasks[0].placement.cards == ("gpu-0", "gpu-1")


def test_more_cards_than_there_are_is_a_mistake_of_the_workload():
    with pytest.raises(WorkloadError, match="asks for 3 cards at once"):
        play(whole("train", 10, CardCount(3, 3)))


def test_a_gang_counts_on_each_of_its_cards():
    assert bound(whole("a", 10), whole("b", 10)) == pytest.approx(20)
    assert bound(whole("a", 10), whole("b", 10), cards=4) == pytest.approx(10)
    assert bound(whole("a", 10, CardCount(1, 2)), whole("b", 10, CardCount(1, 2))) == 10


def test_whole_gangs_of_more_than_half_the_cards_come_one_after_the_other():
    assert bound(*(whole(f"g{n}", 10) for n in range(3)), cards=3) == pytest.approx(30)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.integers(0, 10_000), st.sampled_from(sorted(POLICIES)))
def test_no_policy_gets_below_the_bound_and_every_gang_ends(cards, seed, name):
    draw = random.Random(seed)
    workload = gangs([("a", 900), ("b", 1600)], draw, cards, size=6 * cards)
    played = simulate(workload, bench(cards), POLICIES[name](TRUTH), TRUTH)
    assert {task.name for task in played.tasks} == set(workload.tasks)
    assert played.makespan_s >= lower_bound_s(workload, bench(cards), TRUTH) * (1 - 1e-9)


@pytest.mark.parametrize(("written", "count"), [("2", TWO), ("'1-2'", CardCount(1, 2))])
def test_a_number_of_cards_is_read_from_a_workload_and_written_back(written, count):
    text = f"- {{name: train, duration_s: 5, residency: gpu_exclusive, cards: {written}}}\n"
    read = parse(text, "w.yaml")
    assert read.tasks["train"].cards == count
    assert parse(write(read), "w.json") == read


@pytest.mark.parametrize("written", ["0", "two", "'2-1'", "[2]"])
def test_what_is_no_number_of_cards_is_an_error_with_its_line(written):
    text = f"- name: train\n  duration_s: 5\n  cards: {written}\n"
    with pytest.raises(BenchError, match=r"line 3: cards is .*, which is not a number of cards"):
        parse(text, "w.yaml")
