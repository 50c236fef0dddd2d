"""A simulated urgent job gets the card of one that agreed, which goes on or begins anew."""

from itertools import pairwise

import pytest
from builders import card
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.errors import BenchError
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.preemption import MOST_TIMES, named
from nvinx.simulation import workload_file
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Task, Workload

BENCH = Capacity((card(),), 8, 16000)


def task(name, duration_s, **other):
    alone = {"residency": Residency.GPU_EXCLUSIVE, "runtime_s": duration_s}
    return Task(**{"name": name, "duration_s": duration_s, **alone, **other})


def long_task(how, name="long", duration_s=1000.0, **other):
    return task(name, duration_s, preemptible=named("", how), **other)


def urgent_task(release_s, name="urgent"):
    return task(name, 5.0, priority=10, preempts=10, release_s=release_s)


def played(*tasks):
    simulation = simulate(Workload.of(tasks), BENCH, LongestChainFirst())
    return simulation, {each.name: each for each in simulation.tasks}


@pytest.mark.parametrize(
    ("how", "starts_s", "ends_s", "lost_s"),
    [("requeue", 100.0, 1105.0, 100.0), ("signal:@20", 120.0, 1025.0, 20.0)],
)
def test_it_starts_at_once_or_after_the_grace(how, starts_s, ends_s, lost_s):
    simulation, by_name = played(long_task(how), urgent_task(100.0))
    assert by_name["urgent"].start_s == starts_s
    assert by_name["long"].end_s == ends_s
    assert simulation.lost_s == lost_s
    (tried,) = simulation.preempted
    assert (tried.name, tried.start_s, tried.end_s) == ("long", 0.0, starts_s)
    assert tried.preempted_for == "urgent"


def test_one_that_is_suspended_goes_on_from_where_it_was():
    simulation, by_name = played(long_task("suspend"), urgent_task(100.0))
    copy_s = 4000 * 2**20 / 6.25e9
    assert by_name["urgent"].start_s == pytest.approx(100.0 + copy_s)
    assert by_name["long"].end_s == pytest.approx(1005.0 + copy_s)
    assert simulation.lost_s == pytest.approx(2 * copy_s)


def test_an_urgent_one_of_two_cards_gets_both_or_none():
    bench = Capacity((card(), card(1)), 8, 16000)
    urgent = replace(urgent_task(100.0), cards=CardCount(2, 2))
    for how, starts_s, lost_s in (("requeue", 100.0, 160.0), ("off", 1000.0, 0.0)):
        other = long_task(how, "other", release_s=40.0, duration_s=960.0)
        work = Workload.of([long_task("requeue"), other, urgent])
        simulation = simulate(work, bench, LongestChainFirst())
        (played,) = (each for each in simulation.tasks if each.name == "urgent")
        assert (played.start_s, simulation.lost_s) == (starts_s, lost_s)
        assert len(played.placement.cards) == 2


def test_one_that_did_not_agree_runs_to_its_end():
    simulation, by_name = played(long_task("off"), urgent_task(100.0))
    assert by_name["urgent"].start_s == 1000.0
    assert simulation.preempted == ()


def test_one_that_is_nearly_done_runs_to_its_end():
    _, by_name = played(long_task("requeue"), urgent_task(900.0))
    assert by_name["urgent"].start_s == 1000.0


@given(
    st.lists(st.floats(0, 3000), max_size=30),
    st.lists(
        st.tuples(
            st.floats(0, 500),
            st.floats(10, 300),
            st.sampled_from(["requeue", "signal:@5", "off"]),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_whatever_comes_all_end_and_nobody_is_preempted_too_often(urgent, long):
    """The simulation itself checks after each step that nothing is overbooked."""
    tasks = [urgent_task(at, f"urgent{n}") for n, at in enumerate(urgent)]
    tasks += [
        long_task(how, f"long{n}", lasts_s, release_s=at)
        for n, (at, lasts_s, how) in enumerate(long)
    ]
    simulation, by_name = played(*tasks)
    assert len(by_name) == len(tasks)
    for n, (_, lasts_s, how) in enumerate(long):
        ends = [each.end_s for each in simulation.preempted if each.name == f"long{n}"]
        assert len(ends) <= (0 if how == "off" else MOST_TIMES)
        for one, other in pairwise(ends):
            assert other - one >= lasts_s - 5 - 1e-6


def test_a_workload_file_says_it_and_is_read_back():
    work = Workload.of([long_task("signal:USR2@20"), urgent_task(1.0)])
    assert workload_file.parse(workload_file.write(work), "w.json").tasks == work.tasks


def test_a_mistake_in_the_file_is_named_with_its_line():
    text = "- {name: a, duration_s: 1, residency: gpu_exclusive, preemptible: perhaps}\n"
    with pytest.raises(BenchError, match="not a way to give up a card"):
        workload_file.parse(text, "w.yaml")
