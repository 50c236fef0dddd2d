"""What was learned of sharing keeps nobody from a card for ever whose jobs never end."""

import pytest
from builders import card, company, exclusive_job, past_run, shared_job

from nvinx.admission import explain
from nvinx.admission.estimates import Estimates
from nvinx.admission.events import CardsChanged, Start, Submitted
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.history.statistics import RunStatistics
from nvinx.interference import CoRun
from nvinx.interference.belief import Belief, Pair
from nvinx.reasons import Why

CARD = card(0)
SEEING = LongestChainFirst(Estimates(fit_slowdown_model([CoRun("hot", "hot", 3.0, 3.0)])))


class Bench:
    """One card that a job has held since 0, and what becomes of those that come later."""

    def __init__(self, holder, policy=SEEING):
        self.policy = policy
        self.state = State(Capacity((CARD,), 8, 64_000))
        assert self._take(Submitted((holder,), 0.0)) == {holder.name: holder.name}

    def _take(self, event):
        self.state, decisions = step(self.state, event, self.policy)
        check(self.state)
        starts = [one for one in decisions if isinstance(one, Start)]
        self.why = {one.job_id: one.placement.why for one in starts}
        return {one.job_id: one.job_id for one in starts}

    def comes(self, *jobs, at):
        return list(self._take(Submitted(jobs, at)))

    def looks(self, at):
        return list(self._take(CardsChanged((CARD,), at)))

    def round(self, at):
        return self.policy.decide(self.state, at)


def hot(name, mib=500, **more):
    return shared_job(name, mib, model="hot", **more)


def test_a_job_waits_for_the_end_of_one_that_keeps_to_its_time():
    bench = Bench(hot("long", runtime_s=10_000))
    assert bench.comes(hot("new", runtime_s=1), at=9_000) == []
    assert bench.round(9_000).waits["new"].why is Why.NO_GAIN_FROM_SHARING


@pytest.mark.parametrize(("at", "joins"), [(11, False), (29, False), (31, True)])
def test_a_job_that_runs_for_three_times_as_long_as_expected_is_waited_for_no_longer(at, joins):
    bench = Bench(hot("server", runtime_s=10))
    bench.comes(hot("new", runtime_s=1), at=5)
    assert bench.looks(at) == (["new"] if joins else [])
    assert not joins or bench.why["new"] is Why.NO_END_IN_SIGHT


@pytest.mark.parametrize(("at", "joins"), [(590, False), (610, True)])
def test_nor_is_one_of_unknown_run_time_that_has_run_for_long(at, joins):
    bench = Bench(hot("server"))
    assert bench.comes(hot("new"), at=at) == (["new"] if joins else [])


def test_one_of_a_range_of_vram_and_unknown_run_time_is_asked_for_room_at_once():
    bench = Bench(hot("server", 1000, elastic_mib=2500))
    assert bench.comes(hot("new", 2000), at=1) == []
    budget = bench.state.running["server"].placement.budget
    assert (budget.to, budget.mib) == ("new", 2000)


def test_those_who_wait_for_a_server_go_one_by_one_where_sharing_among_them_does_not_pay():
    bench = Bench(hot("server", runtime_s=10))
    assert bench.comes(hot("a", runtime_s=5), hot("b", runtime_s=5), at=100) == ["a"]
    assert bench.round(100).waits["b"].why is Why.NO_GAIN_FROM_SHARING


def test_a_limit_of_slowdown_that_somebody_set_holds_all_the_same():
    bench = Bench(hot("server", runtime_s=10, max_slowdown=1.5))
    assert bench.comes(hot("new"), at=100_000) == []
    assert bench.round(100_000).waits["new"].why is Why.BREAKS_MAX_SLOWDOWN


def test_a_whole_card_is_still_waited_for():
    assert Bench(exclusive_job("server", runtime_s=10)).comes(hot("new"), at=100_000) == []


def test_a_job_that_is_measured_alone_and_never_ends_does_not_hold_the_card_for_ever():
    seen = RunStatistics([past_run("server", 10.0, company(10.0, "new"))])
    pair = Pair(0.0, 0.1, 0.0)
    flat = {"server": 0.0, "new": 0.0}
    seen.believe(Belief(0.0, flat, flat, {name: dict.fromkeys(flat, pair) for name in flat}))
    holder = shared_job("server", 500, kind="server", runtime_s=10)
    new = shared_job("new", 500, kind="new", runtime_s=10)
    bench = Bench(holder, LongestChainFirst(Estimates(statistics=seen)))
    assert bench.state.running["server"].placement.why is Why.MEASURED_ALONE
    assert bench.comes(new, at=20) == []
    assert bench.round(20).waits["new"].why is Why.OTHER_IS_MEASURED
    assert bench.looks(31) == ["new"]


def test_the_reason_says_what_sharing_would_lose():
    bench = Bench(hot("long", runtime_s=100))
    bench.comes(hot("new"), at=1)
    said = explain.sentence(bench.round(1).waits["new"])
    assert said == "sharing with long would get less done (0.67 instead of 1.00)"
