"""Each rule is measured alone in its turn, where that costs next to nothing, and no more."""

import math

import pytest
from builders import card, exclusive_claim, job, past_run, shared_claim

from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Submitted
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import step
from nvinx.bench.capacity import Capacity
from nvinx.history.sharing import Settled
from nvinx.history.statistics import RunStatistics
from nvinx.interference.belief import Belief, Pair
from nvinx.interference.company import Company
from nvinx.reasons import Why

NAMES = ("embed", "fold", "call")


def past(name, partner=None, ran_s=10.0):
    beside = () if partner is None else (Company(ran_s, {partner: 1}),)
    return past_run(name, ran_s, *beside)


def taught(excess, sd=0.1, runs=()):
    """Statistics of rules that were seen together only; each costs each other so much."""
    together = [past(name, other) for name in NAMES for other in NAMES]
    seen = RunStatistics([*together, *runs])

    pair = Pair(math.log(excess), sd, math.log(excess))
    pairs = {name: dict.fromkeys(NAMES, pair) for name in NAMES}
    flat = dict.fromkeys(NAMES, 0.0)
    seen.believe(Belief(math.log(excess), flat, flat, pairs))
    return seen


def shared(name, number=0, runtime_s=10.0, **other):
    claim = shared_claim(kind=name, runtime_s=runtime_s, **other)
    return job(f"{name}{number}", claim)


def starts(statistics, *jobs):
    """Who starts at once on an empty card, in order, and why."""
    policy = LongestChainFirst(Estimates(statistics=statistics))
    state = State(Capacity((card(),), 8, 32_000))
    _, decided = step(state, Submitted(tuple(jobs), 0.0), policy)
    return [(start.job_id, start.placement.why) for start in decided]


ALONE = Why.MEASURED_ALONE


def test_of_rules_that_hurt_each_other_one_is_measured():
    assert starts(taught(5.0), shared("embed"), shared("fold")) == [("embed0", ALONE)]


def test_what_looks_cheap_and_may_well_be_dear_is_measured():
    """A small excess may be several times as large, which hardly shows in its effect so far."""
    assert starts(taught(0.2, sd=1.3), shared("embed"), shared("fold")) == [("embed0", ALONE)]
    (_, why), _ = starts(taught(0.2, sd=0.3), shared("embed"), shared("fold"))
    assert why is not ALONE


def test_what_is_known_alone_lets_the_unmeasured_go_first():
    seen = taught(5.0, runs=[past("embed")])
    jobs = [shared("embed"), shared("embed", 1), shared("fold"), shared("call")]
    assert starts(seen, *jobs) == [("fold0", ALONE)]


def test_once_all_are_known_nobody_is_measured():
    seen = taught(5.0, runs=[past(name) for name in NAMES])
    assert [why for _, why in starts(seen, *map(shared, NAMES))] == [Why.FITS_BESIDE_OTHERS]


def test_where_sharing_pays_and_is_well_known_nobody_is_kept_alone():
    found = starts(taught(0.1), *map(shared, NAMES))
    assert [why for _, why in found] == [Why.FITS_BESIDE_OTHERS] * 3


@pytest.mark.parametrize(("runtime_s", "why"), [(10.0, ALONE), (601.0, Why.FITS_BESIDE_OTHERS)])
def test_where_runs_tell_hardly_anything_a_short_one_is_measured(runtime_s, why):
    jobs = [shared(name, runtime_s=runtime_s) for name in NAMES]
    assert starts(taught(0.1, sd=4.0), *jobs)[0] == ("embed0", why)


def test_a_long_one_is_measured_where_nobody_else_waits():
    assert starts(taught(0.1), shared("embed", runtime_s=5000.0)) == [("embed0", ALONE)]


def test_a_long_one_is_measured_where_the_others_would_gain_nothing_beside_it():
    found = starts(taught(5.0), shared("embed", runtime_s=5000.0), shared("fold"))
    assert found == [("embed0", ALONE)]


def test_an_exclusive_job_is_not_passed_by_for_measuring():
    seen = taught(5.0)
    jobs = [job("whole", exclusive_claim(runtime_s=10.0)), shared("fold")]
    assert [name for name, _ in starts(seen, *jobs)] == ["whole"]


def test_a_job_of_higher_priority_is_not_passed_by_for_measuring():
    seen = taught(5.0, runs=[past("embed")])
    jobs = [shared("embed", priority=1), shared("fold")]
    assert starts(seen, *jobs)[0][0] == "embed0"


def test_without_past_runs_nobody_is_measured():
    found = starts(RunStatistics(), *map(shared, NAMES))
    assert [why for _, why in found] == [Why.FITS_BESIDE_OTHERS] * 3


def test_nobody_joins_it_before_what_it_showed_is_known():
    seen = taught(0.1)
    seen.add(past("embed"))
    jobs = [shared("embed"), shared("fold")]
    assert [name for name, _ in starts(seen, *jobs)] == ["embed0"]
    assert seen.learn()
    assert not seen.awaits_lesson("embed")


def test_where_nothing_is_fitted_any_more_nobody_waits_for_a_lesson():
    seen = RunStatistics([past("embed", "fold")], sharing=Settled())
    seen.add(past("embed"))
    assert not seen.awaits_lesson("embed")
