"""Who was beside whom, and for how much of the time."""

import pytest
from builders import company, cpu_job, running, shared_job

from nvinx.admission.co_residency import CoResidency


def on(card, name, since, model=None):
    return running(shared_job(name, model=model, kind=name), since, card=card)


def test_a_partner_for_half_the_time_counts_half():
    co_residency = CoResidency()
    a, b = on("g", "a", 0.0), on("g", "b", 5.0, model="m")
    co_residency.observe([a], 0.0)
    co_residency.observe([a, b], 5.0)
    co_residency.observe([b], 10.0)
    assert co_residency.finish(a, 10.0).company == (company(5, "m", at_end=True),)
    co_residency.observe([], 12.0)
    assert co_residency.finish(b, 12.0).company == (company(5, "a"),)


def test_two_of_a_kind_count_twice():
    co_residency = CoResidency()
    three = [on("g", name, 0.0, model="m") for name in "abc"]
    co_residency.observe(three, 0.0)
    co_residency.observe(three[1:], 4.0)
    assert co_residency.finish(three[0], 4.0).company == (company(4, "m", "m", at_end=True),)


def test_other_cards_and_the_cpu_are_no_company():
    co_residency = CoResidency()
    some = [on("g", "a", 0.0), on("h", "b", 0.0), running(cpu_job("c"))]
    co_residency.observe(some, 0.0)
    co_residency.observe(some, 9.0)
    assert co_residency.finish(some[0], 9.0).company == ()


def test_who_is_seen_late_counts_from_when_it_began():
    co_residency = CoResidency()
    a, late = on("g", "a", 0.0), on("g", "late", 2.0)
    co_residency.observe([a], 0.0)
    co_residency.observe([a, late], 10.0)
    assert co_residency.finish(a, 10.0).company == (company(8, "late", at_end=True),)


def test_who_is_seen_late_is_told_of_all_it_was_beside():
    co_residency = CoResidency()
    a, late = on("g", "a", 0.0), on("g", "late", 2.0)
    co_residency.observe([a], 0.0)
    co_residency.observe([a, late], 10.0)
    assert co_residency.finish(late, 10.0).company == (company(8, "a", at_end=True),)


def test_each_of_many_is_told_of_all_others_and_never_of_itself():
    co_residency = CoResidency()
    several = [on("g", f"{n}", float(n), model="k") for n in range(4)]
    for n in range(4):
        co_residency.observe(several[: n + 1], float(n))
    co_residency.observe(several, 10.0)
    found = [co_residency.finish(one, 10.0).company for one in several]
    three = company(7, "k", "k", "k", at_end=True)
    two, one = company(1, "k", "k"), company(1, "k")
    assert found == [(three, two, one), (three, two, one), (three, two), (three,)]


def test_partners_of_different_kinds_are_told_by_who_was_there_together():
    co_residency = CoResidency()
    a, b, c = (on("g", name, 0.0, model=name) for name in "abc")
    co_residency.observe([a, b, c], 0.0)
    co_residency.observe([a, b], 3.0)
    co_residency.observe([a, b], 10.0)
    assert co_residency.finish(a, 10.0).company == (
        company(7, "b", at_end=True),
        company(3, "b", "c"),
    )


def test_who_was_there_at_the_end_is_told_from_who_left_before():
    co_residency = CoResidency()
    a, b = on("g", "a", 0.0), on("g", "b", 0.0, model="b")
    co_residency.observe([a, b], 0.0)
    co_residency.observe([a], 9.0)
    co_residency.observe([a], 10.0)
    assert co_residency.finish(a, 10.0).company == (company(9, "b", at_end=False),)


def test_of_very_many_companies_the_shortest_count_as_the_longest():
    co_residency = CoResidency()
    a = on("g", "a", 0.0)
    for n in range(100):
        co_residency.observe([a, on("g", f"b{n}", float(n), model=f"m{n}")], float(n))
    co_residency.observe([a], 100.0)
    run = co_residency.finish(a, 100.0)
    assert (len(run.company) < 50, run.company_s) == (True, pytest.approx(100))
    assert [each.partners for each in run.company if each.at_end] == [{"m99": 1}]


def test_what_other_engines_left_is_not_remembered():
    co_residency = CoResidency()
    for n in range(50):
        co_residency.observe([on("g", f"{n}", float(n), model="k")], float(n))
    assert len(co_residency._spent) + len(co_residency._left) + len(co_residency._there) < 5


def test_nobody_is_in_company_while_the_machine_sleeps():
    seen = CoResidency()
    a, b = on(0, "a", 0.0), on(0, "b", 10.0)
    seen.observe([a], 0.0, 500.0)
    seen.observe([a, b], 10.0, 500.0)
    seen.observe([a], 1030.0, 1500.0)
    run = seen.finish(a, 1040.0, slept_s=1000.0)
    assert run.ran_s == 40.0
    assert [each.seconds for each in run.company] == pytest.approx([20.0])


@pytest.mark.parametrize("asleep_s", [499.0, 1e9])
def test_a_sleep_that_cannot_be_leaves_no_time_below_none(asleep_s):
    seen = CoResidency()
    a, b = on(0, "a", 0.0), on(0, "b", 0.0)
    seen.observe([a, b], 0.0, 500.0)
    seen.observe([a], 10.0, asleep_s)
    run = seen.finish(a, 10.0, slept_s=asleep_s - 500.0)
    assert 0 <= run.company_s <= 10.0
    assert run.ran_s >= 0
